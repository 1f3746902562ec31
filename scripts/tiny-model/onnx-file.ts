/**
 * Writes ONNX files without a library: a file is one protocol buffer of a few kinds of messages. The field numbers are
 * those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3, the encoding that of
 * https://protobuf.dev/programming-guides/encoding/.
 */

const DATA_TYPES = { float: 1, uint8: 2, int8: 3, int64: 7 } as const;

export type DataType = keyof typeof DATA_TYPES;

export interface Initializer {
  name: string;
  type: DataType;
  shape: number[];
  values: Float32Array | Int8Array | Uint8Array | BigInt64Array;
}

export interface OnnxNode {
  operator: string;
  inputs: string[];
  outputs: string[];
  attributes?: Record<string, number | { float: number } | number[]>;
}

export interface OnnxValue {
  name: string;
  type: DataType;
  /** A name stands for a size that is known when the model runs. */
  shape: (number | string)[];
}

export interface OnnxGraph {
  nodes: OnnxNode[];
  initializers: Initializer[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
}

/** LayerNormalization came with 17. */
const OPERATOR_SET = 17;
const FILE_VERSION = 8;

export function onnxModel(graph: OnnxGraph): Uint8Array {
  const operatorSet = message(text(1, ''), integer(2, OPERATOR_SET));
  return message(
    integer(1, FILE_VERSION),
    text(2, 'vecpipe'),
    nested(7, graphMessage(graph)),
    nested(8, operatorSet),
  );
}

function graphMessage({ nodes, initializers, inputs, outputs }: OnnxGraph): Uint8Array {
  return message(
    ...nodes.map((node) => nested(1, nodeMessage(node))),
    text(2, 'tiny'),
    ...initializers.map((each) => nested(5, tensorMessage(each))),
    ...inputs.map((each) => nested(11, valueMessage(each))),
    ...outputs.map((each) => nested(12, valueMessage(each))),
  );
}

function nodeMessage({ operator, inputs, outputs, attributes = {} }: OnnxNode): Uint8Array {
  return message(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => nested(5, attributeMessage(name, value))),
  );
}

function attributeMessage(name: string, value: number | { float: number } | number[]): Uint8Array {
  if (Array.isArray(value)) {
    return message(text(1, name), ...value.map((each) => integer(8, each)), integer(20, 7));
  }
  if (typeof value === 'number') return message(text(1, name), integer(3, value), integer(20, 2));
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value.float);
  return message(text(1, name), Buffer.concat([key(2, 5), bytes]), integer(20, 1));
}

function tensorMessage({ name, type, shape, values }: Initializer): Uint8Array {
  return message(
    ...shape.map((size) => integer(1, size)),
    integer(2, DATA_TYPES[type]),
    text(8, name),
    nested(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  );
}

function valueMessage({ name, type, shape }: OnnxValue): Uint8Array {
  const sizes = shape.map((size) =>
    nested(1, typeof size === 'string' ? message(text(2, size)) : message(integer(1, size))),
  );
  const tensorType = message(integer(1, DATA_TYPES[type]), nested(2, message(...sizes)));
  return message(text(1, name), nested(2, message(nested(1, tensorType))));
}

function message(...fields: Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function text(field: number, value: string): Uint8Array {
  return nested(field, Buffer.from(value));
}

function nested(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([key(field, 2), varint(content.length), content]);
}

function integer(field: number, value: number): Uint8Array {
  return Buffer.concat([key(field, 0), varint(value)]);
}

function key(field: number, wireType: number): Uint8Array {
  return varint((field << 3) | wireType);
}

/** Of a whole number from 0 on, or of a negative one as 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
