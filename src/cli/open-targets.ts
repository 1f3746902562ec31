import { hasAccount } from '../credits/read-accounts.ts';
import { TenantCredits } from '../credits/tenant-credits.ts';
import { collectionName } from '../entities/entity.ts';
import type { Entity } from '../entities/entity.ts';
import { VecpipeError } from '../errors/vecpipe-error.ts';
import { noCounts } from '../pipeline/counts.ts';
import { fingerprintSettings } from '../pipeline/fingerprint.ts';
import type { FingerprintSettings } from '../pipeline/fingerprint.ts';
import { ensureGeneration } from '../pipeline/generation.ts';
import { receiptsFor } from '../pipeline/receipts-for.ts';
import { noTally } from '../pipeline/target.ts';
import type { Target } from '../pipeline/target.ts';
import { TextEmbedder } from '../pipeline/text-embedder.ts';
import type { CallOptions } from '../ports/database.ts';
import type { Report } from '../ports/run-events.ts';
import type { VectorStore } from '../ports/vector-store.ts';
import type { ProviderRoute } from '../providers/router/provider-route.ts';
import { openRowSource } from '../sources/rows/open-row-source.ts';
import type { EntityReport } from './run-command.ts';
import { findRoute, findServed, providerGone, reindexCommand } from './served-settings.ts';
import type { Session } from './session.ts';

/** A tenant's entity that cannot be worked on, and why. */
export interface UnopenedTarget {
  tenant: string;
  entity: string;
  error: VecpipeError;
}

export interface OpenedTargets {
  targets: Target[];
  unopened: UnopenedTarget[];
}

/**
 * One target for every selected tenant and entity, its collection ready to be written to. What cannot be opened is
 * set aside with its reason: one tenant's broken provider or entity does not stop the others.
 */
export async function openTargets(
  session: Session,
  report: Report,
  { signal, hasCreditLimit = false }: { signal: AbortSignal; hasCreditLimit?: boolean },
): Promise<OpenedTargets> {
  const store = await session.store();
  const opened: OpenedTargets = { targets: [], unopened: [] };
  for (const tenant of session.tenants) {
    const embedders: TextEmbedder[] = [];
    for (const entity of session.entities) {
      try {
        opened.targets.push(
          await openTarget(session, store, entity, tenant, embedders, { report, signal, hasCreditLimit }),
        );
      } catch (error) {
        if (!(error instanceof VecpipeError)) throw error;
        opened.unopened.push({ tenant, entity: entity.name, error });
      }
    }
  }
  return opened;
}

export interface TargetOptions extends CallOptions {
  report: Report;
  /** The run may spend so many credits and no more, also of tenants without an account. */
  hasCreditLimit: boolean;
}

async function openTarget(
  session: Session,
  store: VectorStore,
  entity: Entity,
  tenant: string,
  embedders: TextEmbedder[],
  options: TargetOptions,
): Promise<Target> {
  const { database } = session;
  const collection = collectionName(entity, tenant);
  // Before the collection is made, so that a wrong config leaves nothing behind.
  const wanted = await openUnplaced(session, entity, tenant, embedders, options);
  const served = await findServed(database, store, collection, wanted.settings, options);
  if (served === null) {
    const generation = await ensureGeneration(database, store, collection, wanted.settings, {
      ...options,
      command: reindexCommand(tenant, entity.name),
    });
    return { ...wanted, generation };
  }
  // While the next generation is being built, the live one is kept true with what it was built with.
  const route = await findRoute(session, tenant, entity.name, served);
  const asBuilt = { ...entity, text: served.template };
  const placed = await openUnplaced(session, asBuilt, tenant, embedders, {
    ...options,
    built: { settings: served, route: route ?? (await session.route(tenant, entity.name)) },
  });
  const generation = await ensureGeneration(database, store, collection, served, options).catch(
    async (error: unknown) => {
      // Loading the old model may have taken longer than was left to build.
      const now = await findServed(database, store, collection, wanted.settings, options);
      if (now === null) return null;
      throw error;
    },
  );
  if (generation === null) return openTarget(session, store, entity, tenant, embedders, options);
  return { ...placed, generation, withheld: route === null ? providerGone(collection, served) : undefined };
}

/** Everything of a target but the generation that it writes to. */
export type UnplacedTarget = Omit<Target, 'generation'>;

/** With what the collection was built, where that is not what the config says now. */
interface BuiltWith {
  settings: FingerprintSettings;
  route: ProviderRoute;
}

/** @param embedders those of the tenant that are open already; a new one is added */
export async function openUnplaced(
  session: Session,
  entity: Entity,
  tenant: string,
  embedders: TextEmbedder[],
  { built, ...options }: TargetOptions & { built?: BuiltWith },
): Promise<UnplacedTarget> {
  const { database } = session;
  const source = await openRowSource(database, entity, tenant, options);
  const route = built?.route ?? (await session.route(tenant, entity.name));
  const settings = built?.settings ?? fingerprintSettings(entity, route);
  // Of one tenant: what one tenant's text costs is never paid by another's.
  const embedder = embedders.find((each) => each.provider === route) ?? new TextEmbedder(route);
  if (!embedders.includes(embedder)) embedders.push(embedder);
  const credits = await openCredits(session, tenant, route, options);
  const receipts = receiptsFor(database, tenant, route, settings, credits !== null);
  const run = { counts: noCounts(), tally: noTally() };
  return { tenant, entity: entity.name, source, embedder, receipts, credits, settings, ...run };
}

/** @returns null where nothing is charged and nothing limited */
async function openCredits(
  { database, config: { leaseMs } }: Session,
  tenant: string,
  { mostCreditsPerMillionTokens: creditsPerMillionTokens }: ProviderRoute,
  { hasCreditLimit, ...options }: TargetOptions,
): Promise<TenantCredits | null> {
  if (creditsPerMillionTokens === 0) return null;
  const needed = hasCreditLimit || (await hasAccount(database, tenant, options));
  return needed ? new TenantCredits(database, { creditsPerMillionTokens, leaseMs }) : null;
}

export function entityReport(target: Target): EntityReport {
  const { tenant, entity, generation, counts } = target;
  return { tenant, entity, collection: generation.collection, generation: generation.number, ...counts };
}
