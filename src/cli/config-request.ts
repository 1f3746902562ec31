import type { ConfigRequest } from '../config/load-config.ts';
import type { CommandContext } from './run-command.ts';

/** What a command's flags, environment and working directory ask of the config. */
export function configRequest({ options, io }: CommandContext<object>): ConfigRequest {
  return {
    flags: { config: options.config },
    environment: io.environment,
    workingDirectory: io.workingDirectory,
    signal: io.stop.stop,
  };
}
