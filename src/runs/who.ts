import { hostname, userInfo } from 'node:os';

/** Who runs this process, for people: `user@host`. A user without a name, as containers have, is told by its number. */
export function whoRuns(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // The user's number has no entry in the system's list of users.
    return String(process.getuid?.() ?? 'unknown');
  }
}
