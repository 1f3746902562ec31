import type { Config } from '../config/config.ts';
import { describeChoices } from '../config/describe-choices.ts';
import { shownFile } from '../config/shown-file.ts';
import { ok } from './check.ts';
import type { Finding } from './check.ts';

/** A config that was loaded has no mistakes left; what is left to say is what it says. */
export function checkConfig(config: Config, workingDirectory: string): Finding {
  const file = config.file === null ? 'no file, the defaults hold' : shownFile(config.file, workingDirectory);
  const sizes = [plural(config.tenants.size, 'tenant'), plural(config.entities.size, 'entity', 'entities')];
  return ok(`${file}; ${sizes.join(', ')}`);
}

/** Which database and store were chosen, and why: what `init` says of them, without the names in front. */
export function choicesOf(config: Config, workingDirectory: string): { database: string; store: string } {
  const lines = describeChoices(config, workingDirectory);
  const after = (name: string) => {
    const line = lines.find((each) => each.startsWith(`${name}: `));
    return line === undefined ? '' : line.slice(name.length + 2);
  };
  return { database: after('database'), store: after('store') };
}

function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
