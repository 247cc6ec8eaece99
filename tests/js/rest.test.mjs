// supabase-js against /rest/v1. The tables are made by tests/gateway/test_javascript.py.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { anonymous, service, signedUp } from './client.mjs';

let admin, alice, bob;

before(async () => {
  admin = service();
  alice = await signedUp();
  bob = await signedUp();
  const { error } = await admin.from('js_authors').insert([
    { id: 1, name: 'Ada', born: 1815, tags: ['math', 'engine'] },
    { id: 2, name: 'Grace', born: 1906, tags: ['navy'] },
    { id: 3, name: 'Edsger', born: 1930, tags: [] },
  ]);
  assert.equal(error, null);
  const books = await admin.from('js_books').insert([
    { id: 1, author_id: 1, title: 'Notes', facts: { pages: 66, lang: 'en' } },
    { id: 2, author_id: 2, title: 'Compilers', facts: { pages: 300, lang: 'en' } },
    { id: 3, author_id: 2, title: 'Nanoseconds', facts: { pages: 1 } },
  ]);
  assert.equal(books.error, null);
});

const ok = ({ data, error }) => {
  assert.equal(error, null, JSON.stringify(error));
  return data;
};

test('filters, order, limit and range', async () => {
  const c = anonymous();
  assert.deepEqual(ok(await c.from('js_authors').select('name').gt('born', 1900).order('born')), [
    { name: 'Grace' },
    { name: 'Edsger' },
  ]);
  assert.deepEqual(ok(await c.from('js_authors').select('id').in('name', ['Ada', 'a,"b"'])), [{ id: 1 }]);
  assert.deepEqual(ok(await c.from('js_authors').select('id').contains('tags', ['math'])), [{ id: 1 }]);
  assert.deepEqual(ok(await c.from('js_authors').select('id').or('born.lt.1900,name.like.Eds*').order('id')), [
    { id: 1 },
    { id: 3 },
  ]);
  assert.deepEqual(ok(await c.from('js_authors').select('id').not('name', 'ilike', '%a%')), [{ id: 3 }]);
  assert.deepEqual(ok(await c.from('js_authors').select('id').order('id').range(1, 2)), [{ id: 2 }, { id: 3 }]);
});

test('embedding both ways, with inner joins and JSON paths', async () => {
  const c = anonymous();
  assert.deepEqual(ok(await c.from('js_books').select('title, author:js_authors(name)').eq('id', 1).single()), {
    title: 'Notes',
    author: { name: 'Ada' },
  });
  const rows = ok(
    await c.from('js_authors').select('name, js_books!inner(title, pages:facts->pages)').eq('js_books.facts->>lang', 'en').order('id'),
  );
  assert.deepEqual(rows, [
    { name: 'Ada', js_books: [{ title: 'Notes', pages: 66 }] },
    { name: 'Grace', js_books: [{ title: 'Compilers', pages: 300 }] },
  ]);
});

test('counts and head', async () => {
  const { count, data, error } = await anonymous().from('js_authors').select('*', { count: 'exact', head: true });
  assert.equal(error, null);
  assert.equal(count, 3);
  assert.equal(data, null);
});

test('single, maybeSingle and csv', async () => {
  const c = anonymous();
  const several = await c.from('js_authors').select('id').single();
  assert.equal(several.status, 406);
  assert.equal(several.error.code, 'PGRST116');
  assert.equal(ok(await c.from('js_authors').select('id').eq('id', 99).maybeSingle()), null);
  assert.equal(ok(await c.from('js_authors').select('id,name').eq('id', 1).csv()).trim(), 'id,name\n1,Ada');
});

test('a user writes own rows and sees nobody else\'s', async () => {
  const inserted = ok(await alice.client.from('js_notes').insert({ body: 'mine' }).select().single());
  assert.equal(inserted.owner, alice.user.id);
  assert.deepEqual(ok(await bob.client.from('js_notes').select('*')), []);
  assert.deepEqual(ok(await anonymous().from('js_notes').select('*')), []);
  const theft = await bob.client.from('js_notes').insert({ body: 'forged', owner: alice.user.id });
  assert.equal(theft.status, 403);
  assert.equal(theft.error.code, '42501');
  assert.deepEqual(ok(await bob.client.from('js_notes').update({ body: 'x' }).eq('id', inserted.id).select()), []);
  const changed = ok(await alice.client.from('js_notes').update({ body: 'new' }).eq('id', inserted.id).select('body'));
  assert.deepEqual(changed, [{ body: 'new' }]);
  const upserted = ok(await alice.client.from('js_notes').upsert({ id: inserted.id, body: 'again' }).select('body').single());
  assert.deepEqual(upserted, { body: 'again' });
  const removed = await alice.client.from('js_notes').delete().eq('id', inserted.id);
  assert.equal(removed.status, 204);
});

test('functions: by POST, by GET, sets with filters, and their errors', async () => {
  const c = anonymous();
  assert.equal(ok(await c.rpc('js_add', { a: 2, b: 3 })), 5);
  assert.equal(ok(await c.rpc('js_add', { a: 2, b: 3 }, { get: true })), 5);
  assert.deepEqual(ok(await c.rpc('js_authors_born_after', { year: 1900 }).select('name').order('name')), [
    { name: 'Edsger' },
    { name: 'Grace' },
  ]);
  const missing = await c.rpc('js_ad', { a: 1 });
  assert.equal(missing.status, 404);
  assert.equal(missing.error.code, 'PGRST202');
  const raised = await c.rpc('js_teapot');
  assert.equal(raised.status, 418);
  assert.equal(raised.error.hint, 'Use a kettle.');
});

test('an unknown table and an unknown column say so', async () => {
  const c = anonymous();
  const table = await c.from('js_author').select('*');
  assert.equal(table.status, 404);
  assert.equal(table.error.code, 'PGRST205');
  const column = await c.from('js_authors').select('nam');
  assert.equal(column.status, 400);
  assert.equal(column.error.code, '42703');
});

test('abort, and 200 requests at once', async () => {
  const c = anonymous();
  const controller = new AbortController();
  controller.abort();
  const aborted = await c.from('js_authors').select('*').abortSignal(controller.signal);
  assert.notEqual(aborted.error, null);
  const answers = await Promise.all(Array.from({ length: 200 }, () => c.from('js_authors').select('id')));
  for (const answer of answers) assert.equal(ok(answer).length, 3);
});
