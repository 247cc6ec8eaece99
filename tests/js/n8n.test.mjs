// The example for n8n's Code node in docs/pipelines/document.md, run as n8n runs it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';

const { code, secret, calls } = JSON.parse(await readFile(process.env.CALLS, 'utf8'));
const run = new Function('$input', '$env', 'require', code);

for (const { name, headers, body, accepted } of calls) {
  test(name, () => {
    const $input = { first: () => ({ json: { headers }, binary: { data: { data: body } } }) };
    const answer = () => run($input, { WEBHOOK_SECRET: secret }, createRequire(import.meta.url));
    if (accepted) assert.deepEqual(answer(), [{ json: JSON.parse(Buffer.from(body, 'base64')) }]);
    else assert.throws(answer, /not from Headway/);
  });
}
