import { usageError } from '../errors/vecpipe-error.ts';
import type { CommandContext } from './run-command.ts';
import { openSession } from './session.ts';
import type { Session } from './session.ts';

/** The session of a command about whole accounts. @throws {VecpipeError} `usage` when entities were selected */
export async function openCreditsSession(context: CommandContext<object>): Promise<Session> {
  if (context.options.entity !== undefined) {
    throw usageError(
      'wrong_usage',
      `a tenant has one account for all its entities: --entity does not apply to ${context.command}`,
      'leave --entity out',
    );
  }
  return openSession(context);
}
