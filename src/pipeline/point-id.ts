import { v5 as uuidv5 } from 'uuid';

/** Namespace of vecpipe's point ids. Changing it would orphan every point that was ever written. */
export const POINT_NAMESPACE = 'd6b1f7a2-5c0e-5f7b-9a54-3a1c5b8e2d10';

/** UUIDv5 (RFC 9562) of tenant, entity, key and chunk: writing a row again overwrites its points. */
export function pointId(tenant: string, entity: string, key: string, chunk: number): string {
  return uuidv5(JSON.stringify([tenant, entity, key, chunk]), POINT_NAMESPACE);
}
