-- Where a notification may go: refused when it is asked for, not found out at delivery.

-- Webhooks go to the public internet over TLS. Names are resolved, and private addresses refused again, by the
-- worker at delivery: a name may point elsewhere by then.
create function headway_private.check_webhook_url(url text, field text) returns void
language plpgsql stable set search_path = ''
as $$
declare
  parts text[] := regexp_match(
    url, '^(https?)://(\[[0-9a-f:.]{2,45}\]|[a-z0-9][a-z0-9.-]{0,252})(?::([0-9]{1,5}))?([/?][!-~]*)?$', 'i'
  );
  host text := rtrim(lower(parts[2]), '.');
  address inet;
  loopback boolean := false;
begin
  if parts is null or char_length(url) > 2000 or url ~ '[\\"#<>`{}|^[:space:]]' or coalesce(parts[3]::integer, 443) not between 1 and 65535 then
    perform headway_private.refuse('HW100', 'is not a webhook URL', field,
      'Send https://host/path in ASCII, without user name, password and fragment.');
  end if;
  -- Only the service: a person could make us send to any path of a receiver that believes whoever is inside.
  if headway_private.is_service() and exists (
    select from headway.notification_settings s
    where lower(parts[1] || '://' || parts[2] || coalesce(':' || parts[3], '')) = any (s.internal_origins)
  ) then
    return;
  end if;
  if host like '[%' then
    begin
      address := btrim(host, '[]')::inet;
    exception when invalid_text_representation then
      perform headway_private.refuse('HW100', 'is not a webhook URL', field, 'Correct the IPv6 address.');
    end;
  elsif host ~ '^([0-9]{1,3}\.){3}[0-9]{1,3}$' and host !~ '(^|\.)0[0-9]' then
    begin
      address := host::inet;
    exception when invalid_text_representation then
      perform headway_private.refuse('HW100', 'is not a webhook URL', field, 'Correct the IPv4 address.');
    end;
  elsif host ~ '(^|\.)(0x[0-9a-f]*|[0-9]+)$' then
    -- 127.1, 0x7f000001, 2130706433: ways to write an address past a filter
    perform headway_private.refuse('HW100', 'has an address in an unusual notation', field, 'Write four decimal numbers, or a name.');
  end if;
  if address is not null then
    loopback := address <<= '127.0.0.0/8' or address = '::1';
    if not loopback and (
      case family(address)
        when 4 then address <<= any (array[
          '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
          '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/3'
        ]::inet[])
        else not address <<= '2000::/3'
          or address <<= any (array['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']::inet[])
      end
    ) then
      perform headway_private.refuse('HW100', 'points into a private network', field, 'Use an address on the public internet.');
    end if;
  else
    loopback := host = 'localhost' or host like '%.localhost';
    if not loopback and (
      host !~ '^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'
      or host ~ '\.(local|internal|intranet|lan|home|corp|private|home\.arpa|onion|test|invalid)$'
    ) then
      perform headway_private.refuse('HW100', 'names no host on the public internet', field, 'Use a full host name such as hooks.example.com.');
    end if;
  end if;
  if loopback and not (select s.allow_loopback from headway.notification_settings s) then
    perform headway_private.refuse('HW100', 'points to the server itself', field,
      'In development: update headway.notification_settings set allow_loopback = true where id.');
  elsif lower(parts[1]) = 'http' and not loopback then
    perform headway_private.refuse('HW100', 'is not encrypted', field, 'Use https.');
  end if;
end
$$;

-- E-mail goes to people who have agreed to it: service staff may name anybody, others their own confirmed address, and
-- what is an endpoint of the tenant already, which its addressee or service staff made it. A membership is no consent:
-- whoever owns an organisation makes anybody a member. Otherwise anyone could make us send spam.
create function headway_private.check_email(address text, owner_id uuid, organization_id uuid, field text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if address !~ '^[!-~]+@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$' or address ~ '[<>,;:"()\[\]\\@].*@'
    or char_length(address) > 254
  then
    perform headway_private.refuse('HW100', 'is not an e-mail address', field, 'Send one plain address.');
  end if;
  if headway_private.is_service() then
    return;
  end if;
  if not exists (
    select from auth.users u
    where u.id = auth.uid() and lower(u.email) = lower(address) and u.email_confirmed_at is not null
  ) and not exists (
    select from headway.notification_endpoints e
    where e.tenant_id = coalesce(check_email.organization_id, check_email.owner_id)
      and e.channel = 'email'
      and e.target = lower(address)
  ) then
    -- One answer, whoever the address belongs to.
    perform headway_private.refuse('HW302', 'is not your confirmed e-mail address', field,
      'Use your own; another address is added by whom it belongs to.');
  end if;
end
$$;

create function headway_private.check_notify(notify jsonb, owner_id uuid, organization_id uuid, field text)
returns void
language plpgsql stable set search_path = ''
as $$
begin
  if notify ->> 'webhook' is not null then
    perform headway_private.check_webhook_url(notify ->> 'webhook', field || '.webhook');
  end if;
  if notify ->> 'email' is not null then
    perform headway_private.check_email(notify ->> 'email', owner_id, organization_id, field || '.email');
  end if;
end
$$;

revoke all on function
  headway_private.check_webhook_url(text, text), headway_private.check_email(text, uuid, uuid, text),
  headway_private.check_notify(jsonb, uuid, uuid, text)
from public, anon, authenticated, service_role;
