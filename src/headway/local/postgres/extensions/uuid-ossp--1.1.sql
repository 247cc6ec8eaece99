-- The functions of uuid-ossp without its library, which no packaged Postgres has. Source: RFC 9562, and the list of
-- functions in PostgreSQL's documentation of uuid-ossp.
\echo Use "CREATE EXTENSION "uuid-ossp"" to load this file. \quit

create function uuid_nil() returns uuid
language sql immutable strict parallel safe
as $$ select '00000000-0000-0000-0000-000000000000'::uuid $$;

create function uuid_ns_dns() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid $$;

create function uuid_ns_url() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::uuid $$;

create function uuid_ns_oid() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::uuid $$;

create function uuid_ns_x500() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::uuid $$;

create function uuid_generate_v4() returns uuid
language sql volatile strict parallel safe
as $$ select pg_catalog.gen_random_uuid() $$;

-- Version 1: 100 ns since 1582-10-15, then a clock sequence and a node. SQL cannot see a network card, so the node is
-- random, marked as such by its multicast bit, and drawn anew: two calls within a tick still differ.
create function uuid_generate_v1mc() returns uuid
language plpgsql volatile strict parallel safe
as $$
declare
  tick constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint * 10
                          + floor(random() * 10)::bigint + 122192928000000000;
  stamp constant text := lpad(to_hex(tick), 16, '0');
  noise constant bytea := uuid_send(gen_random_uuid());
begin
  return (
    substr(stamp, 9, 8) || substr(stamp, 5, 4) || '1' || substr(stamp, 2, 3)
    || encode(substr(noise, 9, 2), 'hex')
    || encode(set_byte(substr(noise, 1, 6), 0, get_byte(noise, 0) | 1), 'hex')
  )::uuid;
end
$$;

create function uuid_generate_v1() returns uuid
language plpgsql volatile strict parallel safe
as $$
declare
  tick constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint * 10
                          + floor(random() * 10)::bigint + 122192928000000000;
  stamp constant text := lpad(to_hex(tick), 16, '0');
  noise constant bytea := uuid_send(gen_random_uuid());
begin
  return (
    substr(stamp, 9, 8) || substr(stamp, 5, 4) || '1' || substr(stamp, 2, 3)
    || encode(substr(noise, 9, 2), 'hex')
    || encode(set_byte(substr(noise, 1, 6), 0, get_byte(noise, 0) | 1), 'hex')
  )::uuid;
end
$$;

create function uuid_generate_v3(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
as $$
declare
  hash bytea := decode(md5(uuid_send(namespace) || convert_to(name, 'UTF8')), 'hex');
begin
  hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 48);
  hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
  return encode(hash, 'hex')::uuid;
end
$$;

-- Version 5 is made of SHA-1 (FIPS 180-4, section 6.1), which Postgres itself does not offer.
create function uuid_generate_v5(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
as $$
declare
  mask constant bigint := 4294967295;
  message bytea := uuid_send(namespace) || convert_to(name, 'UTF8');
  bits constant bigint := octet_length(message)::bigint * 8;
  h0 bigint := 1732584193;
  h1 bigint := 4023233417;
  h2 bigint := 2562383102;
  h3 bigint := 271733878;
  h4 bigint := 3285377520;
  a bigint;
  b bigint;
  c bigint;
  d bigint;
  e bigint;
  f bigint;
  k bigint;
  swap bigint;
  w bigint[];
  hash bytea;
begin
  message := message || '\x80'::bytea;
  message := message || decode(repeat('00', (120 - octet_length(message) % 64) % 64), 'hex') || int8send(bits);
  for block in 0 .. octet_length(message) / 64 - 1 loop
    for i in 0 .. 15 loop
      w[i] := (get_byte(message, block * 64 + i * 4)::bigint << 24)
            | (get_byte(message, block * 64 + i * 4 + 1) << 16)
            | (get_byte(message, block * 64 + i * 4 + 2) << 8)
            | get_byte(message, block * 64 + i * 4 + 3);
    end loop;
    for i in 16 .. 79 loop
      swap := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
      w[i] := ((swap << 1) | (swap >> 31)) & mask;
    end loop;
    a := h0;
    b := h1;
    c := h2;
    d := h3;
    e := h4;
    for i in 0 .. 79 loop
      if i < 20 then
        f := (b & c) | (~b & mask & d);
        k := 1518500249;
      elsif i < 40 then
        f := b # c # d;
        k := 1859775393;
      elsif i < 60 then
        f := (b & c) | (b & d) | (c & d);
        k := 2400959708;
      else
        f := b # c # d;
        k := 3395469782;
      end if;
      swap := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
      e := d;
      d := c;
      c := ((b << 30) | (b >> 2)) & mask;
      b := a;
      a := swap;
    end loop;
    h0 := (h0 + a) & mask;
    h1 := (h1 + b) & mask;
    h2 := (h2 + c) & mask;
    h3 := (h3 + d) & mask;
    h4 := (h4 + e) & mask;
  end loop;
  hash := substr(int8send(h0), 5) || substr(int8send(h1), 5) || substr(int8send(h2), 5) || substr(int8send(h3), 5);
  hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 80);
  hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
  return encode(hash, 'hex')::uuid;
end
$$;
