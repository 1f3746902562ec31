import type { Queryable } from '../../src/ports/database.ts';
import type { Change } from './schedule.ts';

/** A user's own table, whose rows come, change and go. Each row has a text that no other one has or ever had. */
export class RowsTable {
  static readonly NAME = 'public.articles';

  readonly #database: Queryable;
  /** In ascending order. */
  #ids: number[] = [];
  #nextId = 1;
  #version = 0;

  constructor(database: Queryable) {
    this.#database = database;
  }

  async create(rows: number): Promise<void> {
    await this.#database.execute(
      `create table ${RowsTable.NAME} (id bigint primary key, body text not null, tag text not null)`,
    );
    await this.#insert(rows);
  }

  /** In one transaction. */
  async apply(change: Change): Promise<void> {
    const at = (place: number) => this.#ids[Math.floor(place * this.#ids.length)] ?? 0;
    const updated = [...new Set(change.updates.map((place) => at(place)))];
    const deleted = [...new Set(change.deletes.map((place) => at(place)))];
    this.#version += 1;
    await this.#database.query(
      `with updated as (
        update ${RowsTable.NAME} a set body = given.body
        from unnest($1::int8[], $2::text[]) as given(id, body) where a.id = given.id and a.id <> all ($3::int8[])
      )
      delete from ${RowsTable.NAME} where id = any ($3::int8[])`,
      [updated, updated.map((id) => bodyOf(id, this.#version)), deleted],
    );
    this.#ids = this.#ids.filter((id) => !deleted.includes(id));
    await this.#insert(change.inserts);
  }

  /** The text of every row, by key. */
  async texts(): Promise<Map<string, string>> {
    const { rows } = await this.#database.query<{ key: string; body: string }>(
      `select id::text as key, body from ${RowsTable.NAME}`,
    );
    return new Map(rows.map(({ key, body }) => [key, body]));
  }

  async #insert(rows: number): Promise<void> {
    const ids = Array.from({ length: rows }, (_none, index) => this.#nextId + index);
    this.#nextId += rows;
    await this.#database.query(
      `insert into ${RowsTable.NAME} select id, body, 'x' from unnest($1::int8[], $2::text[]) as given(id, body)`,
      [ids, ids.map((id) => bodyOf(id, 0))],
    );
    this.#ids.push(...ids);
  }
}

/** All of one length, so that a part of what a request cost is the same for each of them and nothing is rounded. */
function bodyOf(id: number, version: number): string {
  const digits = (number: number, width: number) => String(number).padStart(width, '0');
  return `Article ${digits(id, 7)} in its version ${digits(version, 4)} tells how part ${digits(id % 97, 2)} of the shop takes orders`;
}
