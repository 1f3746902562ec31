import { loadConfig } from '../../config/load-config.ts';
import { CheckList } from '../../doctor/check-list.ts';
import { checkCounts, checkLines } from '../../doctor/check-lines.ts';
import { examine } from '../../doctor/examine.ts';
import { showsSymbols } from '../../doctor/shows-symbols.ts';
import { unavailableError } from '../../errors/vecpipe-error.ts';
import { temporaryProvider } from '../../providers/temporary-provider.ts';
import { configRequest } from '../config-request.ts';
import type { CommandResult, Main } from '../run-command.ts';
import { refuseForeignTenants, routeOf, selectEntities, selectTenants } from '../select.ts';

/** Looks at everything that a run would need, and changes nothing: no table, no collection, no row of a run. */
export const doctorMain: Main<object> = async (context) => {
  const { options, io, scope, report } = context;
  const signal = io.stop.stop;
  const config = await loadConfig(configRequest(context));
  // Whoever asks what is wrong does not know yet with whom.
  const tenants = selectTenants(config, options.tenant ? options : { ...options, allTenants: true });
  const entities = selectEntities(config, options);
  refuseForeignTenants(config, tenants, entities);

  const symbols = showsSymbols({ isTTY: io.stdout.isTTY === true, environment: io.environment });
  const checks = new CheckList({ signal, report, scope });
  const result = (): CommandResult => ({
    text: checkLines(checks.results, { symbols }).join('\n'),
    json: { checks: checks.results },
  });
  context.partial = result;
  await examine(checks, {
    config,
    targets: tenants.flatMap((tenant) =>
      entities.map((entity) => ({ tenant, entity, route: routeOf(config, tenant, entity.name) })),
    ),
    nodeVersion: process.versions.node,
    workingDirectory: io.workingDirectory,
    open: temporaryProvider,
    scope,
    report,
  });
  const failed = checks.results.filter(({ status }) => status === 'fail').length;
  if (failed === 0) return { ...result(), summary: [checkCounts(checks.results)] };
  throw unavailableError(
    'doctor_found_problems',
    `${failed} of ${checks.results.length} checks failed`,
    'the line of each says what to do',
  );
};
