// Sanitised documents in a real Chromium: whatever they were, they run nothing, load nothing and stay as they are.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';

const documents = JSON.parse(await readFile(process.env.DOCUMENTS, 'utf8'));
let browser;
let server;
let tab;
let requests = [];

before(async () => {
  server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><meta charset="utf-8"><div id="place"></div>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await puppeteer.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args, '--no-sandbox', '--disable-background-networking', '--disable-component-update'],
    headless: 'shell',
  });
  const home = `http://127.0.0.1:${server.address().port}/`;
  tab = await browser.newPage();
  await tab.setRequestInterception(true);
  tab.on('request', (request) => {
    if (request.url() === home || request.url().startsWith('data:image/')) return request.continue();
    requests.push(request.url());
    return request.abort();
  });
  await tab.goto(home);
});

after(async () => {
  await browser?.close();
  server.close();
});

async function shown(html) {
  requests = [];
  return await tab.evaluate(async (markup) => {
    window.hits = 0;
    window.hit = () => { window.hits += 1; };
    window.alert = window.hit;
    const place = document.getElementById('place');
    place.innerHTML = markup;
    const read = place.innerHTML;
    // What a browser writes and reads again is where mutation XSS strikes.
    place.innerHTML = read;
    const again = place.innerHTML;
    const pictures = [...place.querySelectorAll('img[src]')].map((picture) => picture.complete || new Promise((resolve) => {
      picture.addEventListener('load', resolve);
      picture.addEventListener('error', resolve);
    }));
    for (const element of place.querySelectorAll('*')) {
      element.dispatchEvent(new Event('mouseover', { bubbles: true }));
      element.dispatchEvent(new Event('focus'));
      if (element.tagName !== 'A') element.click();
    }
    for (const details of place.querySelectorAll('details')) details.open = !details.open;
    await Promise.all(pictures);
    // Styles ask for their pictures when they are painted; toggles are told afterwards.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))));
    const found = [...place.querySelectorAll('*')];
    return {
      hits: window.hits,
      same: read === again,
      handlers: found.flatMap((e) => e.getAttributeNames().filter((name) => name.startsWith('on') || name === 'style')),
      addresses: found.flatMap((e) => ['href', 'src'].filter((n) => e.hasAttribute(n)).map((n) => [e.tagName, n, e.getAttribute(n)])),
      schemes: found.filter((e) => e.href).map((e) => new URL(e.href).protocol),
      tags: [...new Set(found.map((e) => e.tagName))],
    };
  }, html);
}

test('an attack that was not sanitised is noticed', async () => {
  const seen = await shown('<img src="/leak" onerror="hit()"><p style="background:url(/css)">x</p>');
  assert.ok(seen.hits > 0);
  assert.ok(requests.some((url) => url.endsWith('/leak')));
});

test(`${documents.length} sanitised documents do nothing`, async () => {
  for (const html of documents) {
    const seen = await shown(html);
    assert.equal(seen.hits, 0, html);
    assert.deepEqual(requests, [], html);
    assert.ok(seen.same, html);
    assert.deepEqual(seen.handlers, [], html);
    for (const scheme of seen.schemes) assert.match(scheme, /^(https?|mailto|tel):$/, html);
    for (const [tag, name, value] of seen.addresses) {
      if (tag === 'IMG') assert.match(value, /^data:image\//, html);
      else assert.match(value, /^(https?:|mailto:|tel:|#doc-)/i, `${tag} ${name} ${html}`);
    }
    for (const tag of seen.tags) {
      assert.doesNotMatch(tag, /^(SCRIPT|STYLE|IFRAME|OBJECT|EMBED|SVG|MATH|FORM|INPUT|BUTTON|BASE|LINK|META)$/i, html);
    }
  }
});
