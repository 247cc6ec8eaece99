// What every script here shares: the stack's address and keys, and clients as an app would make them.
import { createClient } from '@supabase/supabase-js';
import ws from 'ws';

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these scripts are started by tests/gateway/test_javascript.py`);
  return value;
};

export const url = need('SUPABASE_URL');
export const publishableKey = need('SUPABASE_PUBLISHABLE_KEY');
export const secretKey = need('SUPABASE_SECRET_KEY');
export const inboxUrl = process.env.HEADWAY_INBOX_URL ?? '';

// Node 20 has no WebSocket of its own.
const realtime = { transport: ws };

export const anonymous = (options = {}) =>
  createClient(url, publishableKey, {
    realtime,
    ...options,
    auth: { persistSession: false, autoRefreshToken: false, ...options.auth },
  });

export const service = (options = {}) =>
  createClient(url, secretKey, {
    realtime,
    ...options,
    auth: { persistSession: false, autoRefreshToken: false },
  });

let counter = 0;
export const freshEmail = () => `js-${process.pid}-${Date.now()}-${counter++}@example.com`;

export async function signedUp(options = {}) {
  const client = anonymous(options);
  const email = freshEmail();
  const { data, error } = await client.auth.signUp({ email, password: 'correct horse battery' });
  if (error) throw error;
  return { client, email, user: data.user, session: data.session };
}
