// supabase-js against /auth/v1.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anonymous, freshEmail, service, signedUp } from './client.mjs';

const password = 'correct horse battery';

test('sign up, get the user, sign out, sign in again', async () => {
  const { client, email, user, session } = await signedUp();
  assert.equal(user.email, email);
  assert.ok(session.access_token && session.refresh_token);
  const got = await client.auth.getUser();
  assert.equal(got.data.user.id, user.id);
  assert.equal((await client.auth.signOut()).error, null);
  const again = await client.auth.signInWithPassword({ email, password });
  assert.equal(again.error, null);
  assert.equal(again.data.user.id, user.id);
});

test('claims are verified against the JWKS', async () => {
  const { client, user } = await signedUp();
  const { data, error } = await client.auth.getClaims();
  assert.equal(error, null);
  assert.equal(data.claims.sub, user.id);
  assert.equal(data.claims.role, 'authenticated');
});

test('a wrong password, a weak one and a taken address have their codes', async () => {
  const { email } = await signedUp();
  const wrong = await anonymous().auth.signInWithPassword({ email, password: 'guess' });
  assert.equal(wrong.error.code, 'invalid_credentials');
  assert.equal(wrong.error.status, 400);
  const weak = await anonymous().auth.signUp({ email: freshEmail(), password: 'abc' });
  assert.equal(weak.error.code, 'weak_password');
  assert.deepEqual(weak.error.reasons, ['length']);
  const taken = await anonymous().auth.signUp({ email, password });
  assert.equal(taken.error.code, 'user_already_exists');
});

test('refresh rotates, and metadata is updated', async () => {
  const { client, session } = await signedUp();
  const refreshed = await client.auth.refreshSession();
  assert.equal(refreshed.error, null);
  assert.notEqual(refreshed.data.session.refresh_token, session.refresh_token);
  const updated = await client.auth.updateUser({ data: { theme: 'dark' } });
  assert.equal(updated.error, null);
  assert.equal(updated.data.user.user_metadata.theme, 'dark');
});

test('an anonymous user becomes a real one and keeps its id', async () => {
  const client = anonymous();
  const { data, error } = await client.auth.signInAnonymously();
  assert.equal(error, null);
  assert.equal(data.user.is_anonymous, true);
  const email = freshEmail();
  const converted = await client.auth.updateUser({ email, password });
  assert.equal(converted.error, null);
  const signedIn = await anonymous().auth.signInWithPassword({ email, password });
  assert.equal(signedIn.error, null);
  assert.equal(signedIn.data.user.id, data.user.id);
  assert.equal(signedIn.data.user.is_anonymous, false);
});

test('auth events reach a listener', async () => {
  const client = anonymous();
  const events = [];
  const { data } = client.auth.onAuthStateChange((event) => events.push(event));
  const email = freshEmail();
  await client.auth.signUp({ email, password });
  await client.auth.signOut();
  data.subscription.unsubscribe();
  assert.deepEqual(events.filter((e) => e !== 'INITIAL_SESSION'), ['SIGNED_IN', 'SIGNED_OUT']);
});

test('the admin API lists, creates, updates and deletes', async () => {
  const admin = service().auth.admin;
  const email = freshEmail();
  const made = await admin.createUser({ email, password, email_confirm: true, user_metadata: { a: 1 } });
  assert.equal(made.error, null);
  const id = made.data.user.id;
  const listed = await admin.listUsers({ page: 1, perPage: 1000 });
  assert.ok(listed.data.users.some((u) => u.id === id));
  const updated = await admin.updateUserById(id, { user_metadata: { b: 2 } });
  const { a, b } = updated.data.user.user_metadata;
  assert.deepEqual({ a, b }, { a: 1, b: 2 });
  assert.equal((await admin.deleteUser(id)).error, null);
  const gone = await admin.getUserById(id);
  assert.equal(gone.error.code, 'user_not_found');
  const refused = await anonymous().auth.admin.listUsers();
  assert.equal(refused.error.code, 'not_admin');
});

test('what is switched off answers as the real server does', async () => {
  const client = anonymous();
  const phone = await client.auth.signUp({ phone: '+15550100', password });
  assert.equal(phone.error.code, 'phone_provider_disabled');
  const idToken = await client.auth.signInWithIdToken({ provider: 'google', token: 'a.b.c' });
  assert.notEqual(idToken.error, null);
  const { client: member } = await signedUp();
  const mfa = await member.auth.mfa.enroll({ factorType: 'totp' });
  assert.equal(mfa.error.code, 'mfa_totp_enroll_not_enabled');
});
