/**
 * Row hashes are computed from `row(…)::text` in SQL, so everything that changes how a value is written is pinned,
 * in our sessions and in functions that run in those of others.
 */
export const VALUE_SETTINGS: Readonly<Record<string, string>> = {
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'iso_8601',
  extra_float_digits: '1',
  bytea_output: 'hex',
  lc_monetary: 'C',
};

/**
 * What every session is set to, whatever the server, the database or the role has as default; claiming with SKIP
 * LOCKED needs READ COMMITTED. `statement_timeout` is the operator's business and stays as it is.
 */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  application_name: 'vecpipe',
  ...VALUE_SETTINGS,
  default_transaction_isolation: 'read committed',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
};

/** One statement that applies the settings to the session and tells the server's version, such as 150018. */
export const PREPARE_SESSION = `select ${Object.entries(SESSION_SETTINGS)
  .map(([name, value]) => `set_config('${name}', '${value}', false)`)
  .join(', ')}, current_setting('server_version_num')::int as server_version`;
