import type { Database } from '../ports/database.ts';
import { heldDeletes } from '../triggers/delete-guard.ts';
import { isBuilding } from './target.ts';
import type { Target } from './target.ts';

/** How often the guard looks at the deletes that triggers queue while others are worked on. */
const GUARD_MS = 10_000;

/** Remembers for a while what the guard has said of the deletes that triggers have queued. */
export class DeleteHold {
  readonly #database: Database;
  readonly #deleteAll: boolean;
  readonly #said = new Map<Target, { held: number; until: number }>();

  /** @param deleteAll nothing is held */
  constructor(database: Database, deleteAll: boolean) {
    this.#database = database;
    this.#deleteAll = deleteAll;
  }

  /** @returns how many queued deletes are not to be done unless somebody asks for it; 0 where the guard lets them pass */
  async count(target: Target): Promise<number> {
    if (this.#deleteAll || isBuilding(target)) return 0;
    const known = this.#said.get(target);
    if (known && performance.now() < known.until) return known.held;
    const { guarded, queued } = await heldDeletes(this.#database, target.source, target.generation.id);
    const held = guarded ? queued : 0;
    this.#said.set(target, { held, until: performance.now() + GUARD_MS });
    return held;
  }
}
