// storage-js and tus-js-client against /storage/v1. The buckets are made here; the policies by the pytest file.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tus from 'tus-js-client';
import { publishableKey, service, signedUp, url } from './client.mjs';

let admin, alice, bob;

const ok = ({ data, error }) => {
  assert.equal(error, null, error && JSON.stringify({ ...error, message: error.message }));
  return data;
};

before(async () => {
  admin = service();
  alice = await signedUp();
  bob = await signedUp();
  for (const [name, options] of [
    ['js-private', { public: false, fileSizeLimit: '40MB', allowedMimeTypes: ['text/*', 'application/octet-stream'] }],
    ['js-public', { public: true }],
  ]) {
    const { error } = await admin.storage.createBucket(name, options);
    if (error) assert.equal(error.message, 'The resource already exists');
  }
});

test('buckets are listed, read and updated', async () => {
  assert.ok(ok(await admin.storage.listBuckets()).some((b) => b.name === 'js-private'));
  const bucket = ok(await admin.storage.getBucket('js-private'));
  assert.equal(bucket.public, false);
  assert.deepEqual(bucket.allowed_mime_types, ['text/*', 'application/octet-stream']);
  const missing = await admin.storage.getBucket('js-none');
  assert.equal(missing.error.message, 'Bucket not found');
});

test('upload, download, info, exists, list, move, copy, remove', async () => {
  const files = alice.client.storage.from('js-private');
  const folder = alice.user.id;
  ok(await files.upload(`${folder}/a.txt`, 'hello', { contentType: 'text/plain', metadata: { source: 'test' } }));
  assert.equal(await ok(await files.download(`${folder}/a.txt`)).text(), 'hello');
  const info = ok(await files.info(`${folder}/a.txt`));
  assert.equal(info.size, 5);
  assert.deepEqual(info.metadata, { source: 'test' });
  assert.equal(ok(await files.exists(`${folder}/a.txt`)), true);
  assert.equal((await files.exists(`${folder}/none.txt`)).data, false);
  const listed = ok(await files.list(folder));
  assert.deepEqual(listed.map((o) => o.name), ['a.txt']);
  assert.equal(ok(await files.list())[0].id, null);
  ok(await files.move(`${folder}/a.txt`, `${folder}/b.txt`));
  ok(await files.copy(`${folder}/b.txt`, `${folder}/c.txt`));
  assert.deepEqual(ok(await files.list(folder)).map((o) => o.name), ['b.txt', 'c.txt']);
  assert.equal(ok(await files.remove([`${folder}/b.txt`, `${folder}/c.txt`, `${folder}/none`])).length, 2);
});

test('a second upload needs upsert, a wrong type and a wrong owner are refused', async () => {
  const files = alice.client.storage.from('js-private');
  const path = `${alice.user.id}/twice.txt`;
  ok(await files.upload(path, 'one', { contentType: 'text/plain' }));
  const again = await files.upload(path, 'two', { contentType: 'text/plain' });
  assert.equal(again.error.message, 'The resource already exists');
  ok(await files.upload(path, 'two', { contentType: 'text/plain', upsert: true }));
  assert.equal(await ok(await files.download(path)).text(), 'two');
  const type = await files.upload(`${alice.user.id}/x.png`, 'x', { contentType: 'image/png' });
  assert.match(type.error.message, /mime type image\/png is not supported/);
  const theft = await bob.client.storage.from('js-private').upload(path, 'three', { contentType: 'text/plain', upsert: true });
  assert.match(theft.error.message, /row-level security/);
  assert.notEqual((await bob.client.storage.from('js-private').download(path)).error, null);
  assert.deepEqual(ok(await bob.client.storage.from('js-private').list(alice.user.id)), []);
});

test('signed URLs, signed uploads and public URLs', async () => {
  const files = alice.client.storage.from('js-private');
  const path = `${alice.user.id}/signed.txt`;
  const { token } = ok(await files.createSignedUploadUrl(path));
  ok(await files.uploadToSignedUrl(path, token, 'by token', { contentType: 'text/plain' }));
  const { signedUrl } = ok(await files.createSignedUrl(path, 60));
  assert.equal(await (await fetch(signedUrl)).text(), 'by token');
  assert.equal((await fetch(signedUrl.replace('signed.txt', 'twice.txt'))).status, 400);
  const several = ok(await files.createSignedUrls([path, 'nobody/none'], 60));
  assert.ok(several[0].signedUrl);
  assert.ok(several[1].error);
  ok(await admin.storage.from('js-public').upload('open.txt', 'open', { upsert: true, contentType: 'text/plain' }));
  const { data } = alice.client.storage.from('js-public').getPublicUrl('open.txt');
  assert.equal(await (await fetch(data.publicUrl)).text(), 'open');
});

const upload = (bytes, session, name, extra = {}) =>
  new Promise((resolve, reject) => {
    const job = new tus.Upload(bytes, {
      endpoint: `${url}/storage/v1/upload/resumable`,
      headers: { authorization: `Bearer ${session.access_token}`, apikey: publishableKey },
      chunkSize: 6 * 1024 * 1024,
      retryDelays: [0, 100, 300],
      metadata: { bucketName: 'js-private', objectName: name, contentType: 'application/octet-stream' },
      onError: reject,
      onSuccess: () => resolve(job),
      ...extra,
    });
    extra.begin ? extra.begin(job) : job.start();
  });

test('a resumable upload in 6 MiB chunks arrives whole, after an interruption too', async () => {
  const bytes = Buffer.alloc(14 * 1024 * 1024 + 17);
  for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
  const name = `${alice.user.id}/big.bin`;
  let where;
  await new Promise((resolve, reject) => {
    const first = new tus.Upload(bytes, {
      endpoint: `${url}/storage/v1/upload/resumable`,
      headers: { authorization: `Bearer ${alice.session.access_token}`, apikey: publishableKey },
      chunkSize: 6 * 1024 * 1024,
      metadata: { bucketName: 'js-private', objectName: name, contentType: 'application/octet-stream' },
      onError: reject,
      onChunkComplete: () => {
        where = first.url;
        first.abort().then(resolve, reject);
      },
    });
    first.start();
  });
  await upload(bytes, alice.session, name, { uploadUrl: where });
  const back = Buffer.from(await ok(await alice.client.storage.from('js-private').download(name)).arrayBuffer());
  assert.ok(back.equals(bytes));
});

test('nobody resumes another\'s upload or starts one in another\'s folder', async () => {
  await assert.rejects(
    upload(Buffer.from('x'), bob.session, `${alice.user.id}/theft.bin`, { retryDelays: null }),
    (error) => [400, 403].includes(error.originalResponse.getStatus()),
  );
});
