// A page in a real Chromium signs in, subscribes with supabase-js, and sees a change happen.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { test } from 'node:test';
import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';
import { publishableKey, signedUp, url } from './client.mjs';

const page = `<!doctype html><meta charset="utf-8"><title>Live notes</title>
<h1>Live notes</h1><p id="status">connecting</p><ul id="notes"></ul>
<script src="/supabase.js"></script>
<script>
  const { email, password, url, key } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  (async () => {
    const client = supabase.createClient(url, key);
    const { error } = await client.auth.signInWithPassword({ email, password });
    if (error) { document.getElementById('status').textContent = error.message; return; }
    client.channel('notes')
      .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'js_notes' }, ({ new: row }) => {
        const item = document.createElement('li');
        item.textContent = row.body;
        document.getElementById('notes').append(item);
      })
      .on('system', {}, (m) => {
        if (m.extension === 'postgres_changes') document.getElementById('status').textContent = m.status === 'ok' ? 'listening' : m.message;
      })
      .subscribe();
  })();
</script>`;

test('a page sees a change that happens elsewhere', async () => {
  const { client, email } = await signedUp();
  const library = await readFile(new URL('./node_modules/@supabase/supabase-js/dist/umd/supabase.js', import.meta.url));
  const server = createServer((request, response) => {
    const script = request.url.startsWith('/supabase.js');
    response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' }).end(script ? library : page);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await puppeteer.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args, '--no-sandbox', '--disable-background-networking', '--disable-component-update'],
    headless: 'shell',
  });
  try {
    const tab = await browser.newPage();
    const facts = encodeURIComponent(JSON.stringify({ email, password: 'correct horse battery', url, key: publishableKey }));
    await tab.goto(`http://127.0.0.1:${server.address().port}/#${facts}`);
    await tab.waitForFunction(() => document.getElementById('status').textContent !== 'connecting');
    assert.equal(await tab.$eval('#status', (e) => e.textContent), 'listening');
    const { error } = await client.from('js_notes').insert({ body: 'seen in the browser' });
    assert.equal(error, null);
    await tab.waitForSelector('#notes li');
    assert.equal(await tab.$eval('#notes', (e) => e.textContent), 'seen in the browser');
  } finally {
    await browser.close();
    server.close();
  }
});
