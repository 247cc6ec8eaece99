-- What each role's sessions start with, and which server settings the role postgres may change. Runs once per
-- cluster, so that a project's own ALTER ROLE ... SET survives a restart.
alter role supabase_admin set search_path = "$user", public, auth, extensions;
alter role postgres set search_path = "$user", public, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role supabase_storage_admin set search_path = storage;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_read_only_user set default_transaction_read_only = on;

-- On hosted projects the module supautils lets postgres set these; parameter privileges (PostgreSQL 15) do the same.
do $parameters$
declare
  parameter text;
begin
  foreach parameter in array array[
    'auto_explain.log_analyze', 'auto_explain.log_buffers', 'auto_explain.log_format',
    'auto_explain.log_min_duration', 'auto_explain.log_nested_statements', 'auto_explain.log_timing',
    'auto_explain.log_triggers', 'auto_explain.log_verbose', 'auto_explain.sample_rate',
    'deadlock_timeout', 'log_lock_waits', 'log_min_duration_statement', 'log_min_messages',
    'log_replication_commands', 'log_statement', 'log_temp_files', 'session_replication_role',
    'track_io_timing', 'wal_compression',
    'pg_stat_statements.track', 'pg_stat_statements.track_planning', 'pg_stat_statements.track_utility',
    'pgrst.app_settings', 'pgrst.client_error_verbosity', 'pgrst.db_aggregates_enabled',
    'pgrst.db_extra_search_path', 'pgrst.db_hoisted_tx_settings', 'pgrst.db_max_rows',
    'pgrst.db_plan_enabled', 'pgrst.db_pre_request', 'pgrst.db_root_spec', 'pgrst.db_schemas',
    'pgrst.db_tx_end', 'pgrst.db_use_legacy_gucs', 'pgrst.db_timezone_enabled', 'pgrst.jwt_aud',
    'pgrst.jwt_cache_max_entries', 'pgrst.jwt_role_claim_key', 'pgrst.jwt_secret', 'pgrst.jwt_secret_is_base64',
    'pgrst.openapi_mode', 'pgrst.openapi_security_active', 'pgrst.openapi_server_proxy_uri',
    'pgrst.raw_media_types', 'pgrst.server_cors_allowed_origins', 'pgrst.server_timing_enabled',
    'pgrst.server_trace_header', 'pgrst.url_use_legacy_target_names'
  ] loop
    execute format('grant set on parameter %s to postgres', parameter);
  end loop;
end
$parameters$;
