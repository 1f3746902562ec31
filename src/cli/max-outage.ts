import type { Command } from 'commander';
import type { WaitOptions } from '../lifetime/outage.ts';
import type { Report } from '../ports/run-events.ts';
import { duration } from './options.ts';

/** Of every command whose work a service that comes back should not have ended. */
export interface MaxOutageFlag {
  /** Milliseconds. */
  maxOutage?: number;
}

const DEFAULT_MS = 300_000;

export function addMaxOutage(command: Command): Command {
  return command.option(
    '--max-outage <duration>',
    'wait so long for a service that goes away (default: 5m)',
    duration,
  );
}

/**
 * @param giveUp ends all waiting: the run was asked to stop
 * @param onChange told what is away, and null when it is back
 */
export function waitOptions(
  { maxOutage }: MaxOutageFlag,
  giveUp: AbortSignal,
  report: Report,
  onChange: (message: string | null) => void = () => {},
): WaitOptions {
  return {
    maxOutageMs: maxOutage ?? DEFAULT_MS,
    giveUp,
    notify: (message, isOver) => {
      report({ type: 'notice', message });
      onChange(isOver ? null : message);
    },
  };
}
