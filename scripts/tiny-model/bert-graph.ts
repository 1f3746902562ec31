import type { Initializer, OnnxGraph, OnnxNode } from './onnx-file.ts';

export interface BertShape {
  vocabulary: number;
  width: number;
  inner: number;
  positions: number;
  seed: number;
  /** Weights as int8 and activations quantised when they come, as in the int8 models that people download. */
  isQuantized: boolean;
}

/** Added to the score of a token that the mask hides. */
const HIDDEN = -10_000;

/**
 * BERT with one layer and one head, ReLU in place of GELU: inputs `input_ids`, `attention_mask`, `token_type_ids`,
 * output `last_hidden_state`.
 */
export function bertGraph(shape: BertShape): OnnxGraph {
  const builder = new GraphBuilder(shape);
  const { width, inner } = shape;

  const words = builder.rows('words', shape.vocabulary, 'input_ids');
  const types = builder.rows('types', 2, 'token_type_ids');
  const positions = builder.add('Slice', [
    builder.weights('positions', [shape.positions, width], 1),
    builder.integers('first', [0n]),
    builder.add('Slice', [
      builder.add('Shape', ['input_ids']),
      builder.integers('one', [1n]),
      builder.integers('two', [2n]),
    ]),
    builder.integers('rows_axis', [0n]),
  ]);
  const embedded = builder.normalize(
    'embedded',
    builder.add('Add', [builder.add('Add', [words, types]), positions]),
  );

  const query = builder.linear('query', embedded, width, width);
  const keys = builder.add('Transpose', [builder.linear('key', embedded, width, width)], { perm: [0, 2, 1] });
  const scores = builder.add('Mul', [
    builder.add('MatMul', [query, keys]),
    builder.floats('scale', [1 / Math.sqrt(width)]),
  ]);
  const seen = builder.add('Unsqueeze', [
    builder.add('Cast', ['attention_mask'], { to: 1 }),
    builder.integers('middle_axis', [1n]),
  ]);
  const mask = builder.add('Mul', [
    builder.add('Sub', [builder.floats('all', [1]), seen]),
    builder.floats('hidden', [HIDDEN]),
  ]);
  const attention = builder.add('Softmax', [builder.add('Add', [scores, mask])], { axis: -1 });
  const context = builder.add('MatMul', [attention, builder.linear('value', embedded, width, width)]);
  const mixed = builder.normalize(
    'mixed',
    builder.add('Add', [embedded, builder.linear('context', context, width, width)]),
  );

  const raised = builder.add('Relu', [builder.linear('raise', mixed, width, inner)]);
  builder.normalize(
    'output',
    builder.add('Add', [mixed, builder.linear('lower', raised, inner, width)]),
    'last_hidden_state',
  );
  return builder.graph();
}

class GraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: Initializer[] = [];
  readonly #shape: BertShape;
  readonly #random: () => number;

  constructor(shape: BertShape) {
    this.#shape = shape;
    this.#random = seededRandom(shape.seed);
  }

  graph(): OnnxGraph {
    const ids = (name: string) => ({ name, type: 'int64' as const, shape: ['batch', 'length'] });
    return {
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map(ids),
      outputs: [{ name: 'last_hidden_state', type: 'float', shape: ['batch', 'length', this.#shape.width] }],
    };
  }

  /** Adds a node and returns the name of its first output. */
  add(operator: string, inputs: string[], attributes: OnnxNode['attributes'] = {}, output?: string): string {
    const name = output ?? `t${this.#nodes.length}`;
    this.#nodes.push({ operator, inputs, outputs: [name], attributes });
    return name;
  }

  /** Rows of a table by ids; the table in int8 where the model is quantised. */
  rows(name: string, count: number, ids: string): string {
    const shape = [count, this.#shape.width];
    if (!this.#shape.isQuantized) return this.add('Gather', [this.weights(name, shape, 1), ids]);
    const { values, scale } = this.#quantized(count * this.#shape.width, 1);
    this.#initializers.push({ name, type: 'int8', shape, values });
    return this.add('DequantizeLinear', [
      this.add('Gather', [name, ids]),
      this.#scalar(`${name}_scale`, scale),
    ]);
  }

  linear(name: string, input: string, from: number, to: number): string {
    const bias = this.weights(`${name}_bias`, [to], 0.1);
    // Large enough that attention prefers some tokens over others.
    const spread = 2 / Math.sqrt(from);
    const product = this.#shape.isQuantized
      ? this.#integerProduct(name, input, from, to, spread)
      : this.add('MatMul', [input, this.weights(name, [from, to], spread)]);
    return this.add('Add', [product, bias]);
  }

  normalize(name: string, input: string, output?: string): string {
    const { width } = this.#shape;
    const scale = this.floats(
      `${name}_scale`,
      Array.from({ length: width }, () => 1),
    );
    const bias = this.floats(
      `${name}_bias`,
      Array.from({ length: width }, () => 0),
    );
    return this.add(
      'LayerNormalization',
      [input, scale, bias],
      { axis: -1, epsilon: { float: 1e-6 } },
      output,
    );
  }

  weights(name: string, shape: number[], spread: number): string {
    const values = Float32Array.from({ length: shape.reduce((size, each) => size * each, 1) }, () =>
      this.#weight(spread),
    );
    this.#initializers.push({ name, type: 'float', shape, values });
    return name;
  }

  floats(name: string, values: number[]): string {
    this.#initializers.push({
      name,
      type: 'float',
      shape: [values.length],
      values: Float32Array.from(values),
    });
    return name;
  }

  integers(name: string, values: bigint[]): string {
    const content = BigInt64Array.from(values);
    this.#initializers.push({ name, type: 'int64', shape: [values.length], values: content });
    return name;
  }

  /** https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, dynamic quantization */
  #integerProduct(name: string, input: string, from: number, to: number, spread: number): string {
    const { values, scale } = this.#quantized(from * to, spread);
    this.#initializers.push({ name, type: 'int8', shape: [from, to], values });
    this.#initializers.push({ name: `${name}_zero`, type: 'int8', shape: [], values: new Int8Array(1) });
    const outputs = [`${name}_q`, `${name}_q_scale`, `${name}_q_zero`];
    this.#nodes.push({ operator: 'DynamicQuantizeLinear', inputs: [input], outputs });
    const [quantized = '', inputScale = '', inputZero = ''] = outputs;
    const product = this.add('MatMulInteger', [quantized, name, inputZero, `${name}_zero`]);
    const factor = this.add('Mul', [inputScale, this.#scalar(`${name}_scale`, scale)]);
    return this.add('Mul', [this.add('Cast', [product], { to: 1 }), factor]);
  }

  #quantized(count: number, spread: number): { values: Int8Array; scale: number } {
    const exact = Float32Array.from({ length: count }, () => this.#weight(spread));
    const scale = exact.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127;
    return { values: Int8Array.from(exact, (value) => Math.round(value / scale)), scale };
  }

  #scalar(name: string, value: number): string {
    this.#initializers.push({ name, type: 'float', shape: [], values: Float32Array.of(value) });
    return name;
  }

  #weight(spread: number): number {
    return (this.#random() * 2 - 1) * spread;
  }
}

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}
