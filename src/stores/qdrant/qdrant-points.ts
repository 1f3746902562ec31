import type { Schemas } from '@qdrant/js-client-rest';
import { usageError } from '../../errors/vecpipe-error.ts';
import type { Payload, Point, PointIdentity, RowChunks } from '../../ports/vector-store.ts';
import { maxVectorBytes, writeVector } from '../float-text.ts';
import { splitBatches } from '../split-batches.ts';
import { anyOfCondition } from './qdrant-filter.ts';

/** Points in one request at the most. */
export const MAX_POINTS_PER_REQUEST = 1000;

/** Qdrant answers 400 to a body over 32 MiB; half of it keeps one request from holding the server for long. */
const BODY_BYTES = 16 * 1024 * 1024;
const LARGEST_POINT_BYTES = 31 * 1024 * 1024;

const REQUEST_LIMITS = { maxItems: MAX_POINTS_PER_REQUEST, maxBytes: BODY_BYTES };

interface EncodedPart {
  text: string;
  bytes: number;
}

interface EncodedPoint extends EncodedPart {
  vector: Float32Array;
}

/**
 * Bodies of `PUT /points` (`Schemas['PointsList']`), each made when it is asked for, and written by hand so that a
 * vector never becomes an array of numbers.
 * @throws {VecpipeError} `usage` when one point alone is larger than Qdrant takes
 */
export function* upsertBodies(points: readonly Point[]): Generator<Uint8Array> {
  const encoded = points.map(encodePoint);
  for (const batch of splitBatches(encoded, REQUEST_LIMITS, byteLength)) yield upsertBody(batch);
}

function encodePoint({ id, payload, vector }: Point): EncodedPoint {
  const text = `{"id":${JSON.stringify(id)},"payload":${JSON.stringify(payload)},"vector":[`;
  const bytes = Buffer.byteLength(text) + maxVectorBytes(vector.length) + 3;
  checkSize(bytes, payload.vecpipe);
  return { text, bytes, vector };
}

function upsertBody(batch: readonly EncodedPoint[]): Uint8Array {
  const room = batch.reduce((sum, point) => sum + point.bytes, 32);
  const body = Buffer.allocUnsafe(room);
  let end = body.write('{"points":', 0, 'latin1');
  for (const [index, point] of batch.entries()) {
    end += body.write(index === 0 ? '[' : ',', end, 'latin1');
    end += body.write(point.text, end, 'utf8');
    end = writeVector(body, end, point.vector);
    end += body.write(']}', end, 'latin1');
  }
  end += body.write(']}', end, 'latin1');
  return body.subarray(0, end);
}

/** A body of `POST /points/batch`, of which each operation gets an answer of its own. */
export interface OperationsBody {
  text: string;
  operations: number;
}

/**
 * One `overwrite_payload` a point: `PUT /points/payload` would take one payload for all of them.
 * @throws {VecpipeError} `usage` when one payload alone is larger than Qdrant takes
 */
export function payloadBodies(points: readonly { id: string; payload: Payload }[]): OperationsBody[] {
  const operations = points.map(({ id, payload }) => {
    const operation: Schemas['OverwritePayloadOperation'] = { overwrite_payload: { payload, points: [id] } };
    const part = encodePart(operation);
    checkSize(part.bytes, payload.vecpipe);
    return part;
  });
  return splitBatches(operations, REQUEST_LIMITS, byteLength).map(operationsBody);
}

/** Rows of one tenant and entity with the same first chunk share a filter: a batch of vanished rows is one operation. */
export function deletionBodies(rows: readonly RowChunks[]): OperationsBody[] {
  const groups = new Map<string, RowChunks[]>();
  for (const row of rows) {
    const name = JSON.stringify([row.tenant, row.entity, row.fromChunk]);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  const operations = [...groups.values()]
    .flatMap((group) => splitBatches(group, REQUEST_LIMITS, (row) => row.key.length * 3))
    .map(encodeDeletion);
  return splitBatches(operations, REQUEST_LIMITS, byteLength).map(operationsBody);
}

function encodeDeletion(group: readonly RowChunks[]): EncodedPart {
  const [first] = group;
  const must: Schemas['Condition'][] = [];
  if (first) {
    must.push(
      anyOfCondition('vecpipe.tenant', [first.tenant]),
      anyOfCondition('vecpipe.entity', [first.entity]),
      anyOfCondition('vecpipe.key', [...new Set(group.map((row) => row.key))]),
    );
    if (first.fromChunk > 0) must.push({ key: 'vecpipe.chunk', range: { gte: first.fromChunk } });
  }
  const operation: Schemas['DeleteOperation'] = { delete: { filter: { must } } };
  return encodePart(operation);
}

function encodePart(operation: Schemas['UpdateOperation']): EncodedPart {
  const text = JSON.stringify(operation);
  return { text, bytes: Buffer.byteLength(text) + 1 };
}

function operationsBody(parts: readonly EncodedPart[]): OperationsBody {
  return { text: `{"operations":[${parts.map(({ text }) => text).join(',')}]}`, operations: parts.length };
}

function byteLength(part: EncodedPart): number {
  return part.bytes;
}

function checkSize(bytes: number, identity: PointIdentity): void {
  if (bytes <= LARGEST_POINT_BYTES) return;
  throw usageError(
    'point_too_large',
    `the point of ${identity.entity} ${identity.label} takes ${Math.ceil(bytes / 1024 / 1024)} MiB, and Qdrant accepts less than 32`,
    "leave the largest field out of the entity's `payload:`",
  );
}
