import type { Queryable } from '../ports/database.ts';

type Table = 'queue' | 'vector_state';

/** Fewer rows are read as fast with any plan. */
const FIRST_LOOK_ROWS = 256;
/** From one look to the next. */
const GROWTH = 4;

/**
 * Has the planner look at a table while one run fills it. Without statistics it takes a tenant's entity for a single
 * row and walks through all of them for each row of a batch; autovacuum comes too late for the first run, and the
 * embedded database has none. A look reads a sample of 30,000 rows at the most.
 */
export class TableStatistics {
  readonly #database: Queryable;
  readonly #table: Table;
  #rows = 0;
  #nextLook = FIRST_LOOK_ROWS;

  constructor(database: Queryable, table: Table) {
    this.#database = database;
    this.#table = table;
  }

  /** Looks when enough rows have come since the last time. @throws whatever the database throws */
  async grewBy(rows: number): Promise<void> {
    this.#rows += rows;
    if (this.#rows < this.#nextLook) return;
    while (this.#nextLook <= this.#rows) this.#nextLook *= GROWTH;
    // Whoever is at it, or at a vacuum, does the same work: no reason to wait. One who does not own the table is
    // passed over with a notice.
    await this.#database.query(`analyze (skip_locked) vecpipe.${this.#table}`);
  }
}
