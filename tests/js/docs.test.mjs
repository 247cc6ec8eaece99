// The JavaScript examples of docs/sql.md, run one after the other as one signed-up person.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { anonymous, service, signedUp } from './client.mjs';

const page = readFileSync(new URL('../../docs/sql.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```js person\n(.*?)^```$/gms)].map((match) => match[1]);

// A worker for kind demo.echo, such as the page's last part describes: it answers what it was given.
async function work(headway, stopped) {
  const worker_id = crypto.randomUUID();
  const call = async (name, body) => {
    const { data, error } = await headway.rpc(name, body);
    if (error) throw new Error(`${name}: ${JSON.stringify(error)}`);
    return data;
  };
  await call('register_worker', { worker_id, name: 'docs', kinds: [{ kind: 'demo.echo', queue: 'default' }] });
  const loop = (async () => {
    while (!stopped.aborted) {
      const leases = await call('claim', { worker_id, request_id: crypto.randomUUID(), queues: ['default'], max_jobs: 5 });
      const outcomes = leases.map(({ job_id, attempt, lease_token, payload }) => ({
        job_id, attempt, lease_token, outcome: 'completed', result: payload,
      }));
      if (outcomes.length) await call('finish', { worker_id, outcomes });
      else await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  return loop;
}

test('the examples run', async () => {
  assert.ok(blocks.length >= 5);
  const { client, user, session } = await signedUp();
  await client.realtime.setAuth(session.access_token);
  const visitor = anonymous();
  const stop = new AbortController();
  const headway = service().schema('headway');
  // Registered before the first example submits; it runs beside them.
  const ready = work(headway, stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  for (let known = 0; known === 0; ) {
    const { data } = await headway.from('kinds').select('kind').eq('kind', 'demo.echo');
    known = data.length;
  }
  const AsyncFunction = (async () => {}).constructor;
  const run = new AsyncFunction(
    'supabase', 'user', 'visitor',
    `${blocks.join('\n')}
     return { snapshot, output, missed, active, organization, mine, withFile, page };`,
  );
  try {
    const seen = await run(client, user, visitor);
    assert.equal(seen.snapshot.status, 'completed');
    assert.deepEqual(seen.output.result, { text: 'hello' });
    assert.deepEqual(seen.missed.map((event) => event.seq), seen.missed.map((_, i) => i + 2));
    assert.equal(seen.missed.at(-1).type, 'completed');
    assert.ok(Array.isArray(seen.active));
    assert.equal(seen.organization.name, 'Browser Inc.');
    assert.equal(seen.mine, 'owner');
    assert.equal(seen.withFile.created, true);
    assert.equal(seen.page.profile.first_name, 'Ada');
  } finally {
    stop.abort();
    await ready;
    await client.removeAllChannels();
    client.realtime.disconnect();
  }
});
