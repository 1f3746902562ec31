import type { Config } from '../config/config.ts';
import type { LocalProviderConfig, RouteConfig } from '../config/provider-config.ts';
import { shownFile } from '../config/shown-file.ts';
import type { Entity } from '../entities/entity.ts';
import type { Report } from '../ports/run-events.ts';
import type { CheckList } from './check-list.ts';
import { checkDiskSpace } from './disk-space.ts';
import { checkFallback } from './fallback-agreement.ts';
import { checkModelCache } from './model-cache.ts';
import { providerPlace } from './provider-place.ts';
import { probeProvider } from './provider-probe.ts';
import type { OpenProvider, ProbedProvider } from './provider-probe.ts';

/** Loading a large model takes its time. */
const PROVIDER_LIMIT_MS = 60_000;

export interface ProviderSurvey {
  config: Config;
  /** How each selected tenant's entity is embedded. */
  routes: readonly { entity: Entity; route: RouteConfig }[];
  workingDirectory: string;
  open: OpenProvider;
  report: Report;
}

/**
 * Opens every provider that is used, one after the other, each once; then compares fallbacks with what they step
 * in for.
 * @returns those that answered, by name
 */
export async function examineProviders(
  checks: CheckList,
  survey: ProviderSurvey,
): Promise<ReadonlyMap<string, ProbedProvider>> {
  const { config, workingDirectory, open, report } = survey;
  const probes = new Map<string, ProbedProvider>();
  const folders = new Set<string>();
  for (const [name, entities] of usedProviders(survey.routes)) {
    const provider = config.providers.get(name);
    if (!provider) throw new Error(`provider ${name} is not in the checked config`);
    if (provider.kind === 'local') await examineModelFiles(checks, provider, folders, workingDirectory);
    const place = providerPlace(provider, workingDirectory);
    const checkName = { id: 'provider', subject: `provider ${name}`, timeLimitMs: PROVIDER_LIMIT_MS };
    await checks.run(checkName, async (signal) => {
      const options = { open, place, entities: [...entities], report, signal };
      const { finding, probed } = await probeProvider(provider, options);
      if (probed !== null) probes.set(name, probed);
      return finding;
    });
  }
  for (const { provider, fallback } of usedFallbacks(survey.routes)) {
    const primary = probes.get(provider);
    const second = probes.get(fallback);
    const silent = primary === undefined ? provider : second === undefined ? fallback : null;
    await checks.run(
      {
        id: 'fallback',
        subject: `fallback ${fallback} of ${provider}`,
        blockedBy: silent === null ? null : `provider ${silent} gave no vector`,
      },
      () => {
        if (!primary || !second) throw new Error('a provider gave no vector');
        return checkFallback({ name: provider, probed: primary }, { name: fallback, probed: second });
      },
    );
  }
  return probes;
}

async function examineModelFiles(
  checks: CheckList,
  provider: LocalProviderConfig,
  folders: Set<string>,
  workingDirectory: string,
): Promise<void> {
  const { name, modelFrom, model, cacheFolder } = provider;
  const folder = modelFrom === 'folder' ? model : cacheFolder;
  if (folders.has(folder)) return;
  folders.add(folder);
  await checks.run({ id: 'model_files', subject: `model files of ${name}` }, (signal) =>
    checkModelCache(provider, workingDirectory, { signal }),
  );
  if (modelFrom === 'folder') return;
  await checks.run({ id: 'disk_space', subject: `disk of the models of ${name}` }, () =>
    checkDiskSpace(folder, { shown: shownFile(folder, workingDirectory), minimumBytes: null }),
  );
}

/** Names of providers in the order of their first use, fallbacks after what they step in for. */
function usedProviders(routes: ProviderSurvey['routes']): Map<string, Set<Entity>> {
  const used = new Map<string, Set<Entity>>();
  for (const { entity, route } of routes) {
    for (const name of [route.provider, route.fallback]) {
      if (name === null) continue;
      used.set(name, (used.get(name) ?? new Set()).add(entity));
    }
  }
  return used;
}

function usedFallbacks(routes: ProviderSurvey['routes']): { provider: string; fallback: string }[] {
  const pairs = new Map<string, { provider: string; fallback: string }>();
  for (const { route } of routes) {
    const { provider, fallback } = route;
    if (fallback !== null) pairs.set(JSON.stringify([provider, fallback]), { provider, fallback });
  }
  return [...pairs.values()];
}
