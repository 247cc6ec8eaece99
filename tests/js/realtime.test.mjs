// realtime-js against /realtime/v1. The table and the policies are made by tests/gateway/test_javascript.py.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { anonymous, service, signedUp } from './client.mjs';

const open = [];
const track = (client) => (open.push(client), client);
afterEach(async () => {
  for (const client of open.splice(0)) {
    await client.removeAllChannels();
    client.realtime.disconnect();
  }
});

const joined = (channel) =>
  new Promise((resolve, reject) =>
    channel.subscribe((status, error) => {
      if (status === 'SUBSCRIBED') resolve(channel);
      else reject(error ?? new Error(status));
    }),
  );

// Listening for changes is what the `system` message says, not the join's answer.
const listening = (channel) =>
  new Promise((resolve, reject) => {
    channel.on('system', {}, (payload) => {
      if (payload.extension === 'postgres_changes') {
        payload.status === 'ok' ? resolve(channel) : reject(new Error(payload.message));
      }
    });
    joined(channel).catch(reject);
  });

const next = () => {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
};

test('a change of an own row arrives, one of another user does not', async () => {
  const alice = await signedUp();
  const bob = await signedUp();
  track(alice.client);
  const seen = [];
  const mine = next();
  await alice.client.realtime.setAuth(alice.session.access_token);
  await listening(
    alice.client.channel('changes').on('postgres_changes', { event: '*', schema: 'public', table: 'js_notes' }, (change) => {
      seen.push(change);
      if (change.new.body === 'mine') mine.resolve(change);
    }),
  );
  await bob.client.from('js_notes').insert({ body: 'not for alice' });
  await alice.client.from('js_notes').insert({ body: 'mine' });
  const change = await mine.promise;
  assert.equal(change.eventType, 'INSERT');
  assert.equal(change.new.owner, alice.user.id);
  assert.equal(change.errors, null);
  assert.match(change.commit_timestamp, /Z$/);
  assert.equal(seen.length, 1);
});

test('broadcast reaches the others, with ack and without self', async () => {
  const one = track(anonymous());
  const two = track(anonymous());
  const heard = next();
  const echo = [];
  await joined(two.channel('room').on('broadcast', { event: 'hi' }, heard.resolve));
  const sender = await joined(
    one.channel('room', { config: { broadcast: { ack: true } } }).on('broadcast', { event: 'hi' }, (m) => echo.push(m)),
  );
  assert.equal(await sender.send({ type: 'broadcast', event: 'hi', payload: { n: 1 } }), 'ok');
  assert.deepEqual((await heard.promise).payload, { n: 1 });
  assert.equal(echo.length, 0);
});

test('broadcast from the database reaches a private topic that policy admits, and nobody else', async () => {
  const alice = await signedUp();
  const bob = await signedUp();
  track(alice.client);
  track(bob.client);
  const topic = `js:${alice.user.id}`;
  await alice.client.realtime.setAuth(alice.session.access_token);
  await bob.client.realtime.setAuth(bob.session.access_token);
  await assert.rejects(joined(bob.client.channel(topic, { config: { private: true } })), /Unauthorized|permissions/);
  const heard = next();
  await joined(alice.client.channel(topic, { config: { private: true } }).on('broadcast', { event: 'progress' }, heard.resolve));
  const sent = await service().rpc('js_notify', { topic, payload: { percent: 40 } });
  assert.equal(sent.error, null);
  const message = await heard.promise;
  assert.equal(message.payload.percent, 40);
  assert.ok(message.payload.id);
});

test('presence is tracked and synchronised', async () => {
  const one = track(anonymous());
  const two = track(anonymous());
  const synced = next();
  const watcher = two.channel('lobby', { config: { presence: { key: 'two' } } });
  watcher.on('presence', { event: 'sync' }, () => {
    if (watcher.presenceState().one) synced.resolve(watcher.presenceState());
  });
  await joined(watcher);
  const member = await joined(one.channel('lobby', { config: { presence: { key: 'one' } } }));
  assert.equal(await member.track({ name: 'One' }), 'ok');
  const state = await synced.promise;
  assert.equal(state.one[0].name, 'One');
});
