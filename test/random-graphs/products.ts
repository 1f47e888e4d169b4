/** Random products of values, alone and as attention has them, and tokens that are joined to an image's own. */
import type { Shape } from "../../src/core/tensor.ts";
import type { Draft, Layer, Value } from "./draft.ts";

/** Dims that two operands of a product may have in front of their matrices. */
function broadcasts(a: Shape, b: Shape): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  const last = long.slice(long.length - short.length);
  return short.every((size, axis) => size === last[axis] || size === 1 || last[axis] === 1);
}

function swapped(draft: Draft, { name, shape }: Value): string {
  const axes = shape.map((_, axis) => axis);
  const perm = [...axes.slice(0, -2), shape.length - 1, shape.length - 2];
  return draft.node("Transpose", [name], { perm });
}

/** Of the value and itself, its transposed, or another value that fits, of another rank now and then. */
const matMul: Layer = (draft, src) => {
  const { draw, values } = draft;
  const { name, shape } = src;
  if (shape.length < 2) return undefined;
  const fits = (other: Shape): boolean =>
    other.length > 1 && other.at(-2) === shape.at(-1) && broadcasts(other.slice(0, -2), shape.slice(0, -2));
  const fitting = values.filter((other) => fits(other.shape));
  if (fitting.length > 0 && draw.chance(0.7)) return draft.node("MatMul", [name, draw.pick(fitting).name]);
  const pair = [name, swapped(draft, src)];
  return draft.node("MatMul", draw.chance(0.5) ? pair : pair.toReversed());
};

const gemm: Layer = (draft, { name, shape }) => {
  const { draw, values } = draft;
  if (shape.length !== 2) return undefined;
  const flags = { transA: draw.between(0, 1), transB: draw.between(0, 1) };
  const matrices = values.filter((other) => other.shape.length === 2);
  return draft.node("Gemm", [name, draw.pick(matrices).name], flags);
};

const LETTERS = "abcdefgh";

/** Letters for `shape`: of `known` where the size is the same, or new ones. */
function lettersOf(draft: Draft, shape: Shape, known: Map<string, number>): string[] {
  const { draw } = draft;
  const own: string[] = [];
  for (const [axis, size] of shape.entries()) {
    const fitting = [...known].filter(([letter, other]) => other === size && !own.includes(letter));
    const first = known.keys().next().value;
    const named = fitting.map(([letter]) => letter);
    // The images stay apart, but for once in a while.
    if (axis === 0 && first !== undefined && named.includes(first) && draw.chance(0.9)) own.push(first);
    else if (named.length > 0 && draw.chance(0.7)) own.push(draw.pick(named));
    else own.push(LETTERS[known.size] ?? "z");
    known.set(own.at(-1) ?? "z", size);
  }
  return own;
}

/** One or two operands, values or a constant, with their letters in any order. */
const einsum: Layer = (draft, src) => {
  const { draw, values } = draft;
  if (draft.opset < 12) return undefined;
  const known = new Map<string, number>();
  const operands = [{ name: src.name, letters: lettersOf(draft, src.shape, known) }];
  const way = draw.pick(["alone", "value", "value", "constant", "constant"]);
  if (way === "value") {
    const other = draw.pick(values);
    operands.push({ name: other.name, letters: lettersOf(draft, other.shape, known) });
  }
  if (way === "constant") {
    const features = src.shape.slice(1).filter(() => draw.chance(0.5));
    const shape = draw.shuffled([...features, draw.between(1, 4)]);
    // Letters of the images are not the constant's.
    const own = new Map([...known].slice(1));
    const letters = lettersOf(draft, shape, new Map([["z", -1], ...own]));
    for (const [axis, letter] of letters.entries()) known.set(letter, shape[axis] ?? 1);
    operands.push({ name: draft.weights(shape, 0), letters });
  }
  const [images = "", ...others] = known.keys();
  const share = draw.pick([1, 0.9, 0.6]);
  const kept = draw.shuffled(others.filter(() => draw.chance(share)));
  const result = [...(draw.chance(0.97) ? [images] : []), ...kept];
  const ordered = draw.chance(0.5) ? operands : operands.toReversed();
  const left = ordered.map(({ letters }) => letters.join("")).join(draw.pick([",", ", "]));
  const equation = draw.chance(0.95) ? `${left}${draw.pick(["->", " -> "])}${result.join("")}` : left;
  const inputs = ordered.map(({ name }) => name);
  return draft.node("Einsum", inputs, { equation });
};

/** [N,L,D], whatever `src` is, and its length and width. */
function tokens(draft: Draft, { name, shape }: Value): { name: string; length: number; width: number } | undefined {
  const { draw } = draft;
  if (shape.length === 3) return { name, length: shape[1] ?? 1, width: shape[2] ?? 1 };
  if (shape.length !== 4) return undefined;
  const [, channels = 1, height = 1, columns = 1] = shape;
  const flat = draft.node("Reshape", [name, draft.integers([0, channels, draw.pick([-1, height * columns])])]);
  const turned = draft.node("Transpose", [flat], { perm: [0, 2, 1] });
  return { name: turned, length: height * columns, width: channels };
}

function linear(draft: Draft, name: string, inputs: number, outputs: number): string {
  const product = draft.node("MatMul", [name, draft.weights([inputs, outputs], 1)]);
  return draft.draw.chance(0.7) ? draft.node("Add", [product, draft.floats([outputs])]) : product;
}

/** Queries, keys and values as [N,heads,L,D], of one layer or of three. */
function projections(
  draft: Draft,
  { name, length, width }: { name: string; length: number; width: number },
  heads: number,
  each: number,
): readonly [string, string, string] {
  const { draw } = draft;
  const inner = heads * each;
  if (draw.chance(0.5)) {
    const one = (): string => {
      const apart = draft.node("Reshape", [
        linear(draft, name, width, inner),
        draft.integers([0, length, heads, each]),
      ]);
      return draft.node("Transpose", [apart], { perm: [0, 2, 1, 3] });
    };
    return [one(), one(), one()];
  }
  const joint = linear(draft, name, width, 3 * inner);
  const apart = draft.node("Reshape", [joint, draft.integers([0, length, 3, heads, each])]);
  const turned = draft.node("Transpose", [apart], { perm: [2, 0, 3, 1, 4] });
  const one = (index: number): string => draft.node("Gather", [turned, draft.integers([index], [])], { axis: 0 });
  return [one(0), one(1), one(2)];
}

/** Attention of one or more heads over the places of an image, or its tokens. */
const attention: Layer = (draft, src) => {
  const { draw } = draft;
  const seen = tokens(draft, src);
  if (seen === undefined || draft.opset < 9) return undefined;
  const [heads, each] = [draw.between(1, 3), draw.between(1, 4)];
  const [queries, keys, held] = projections(draft, seen, heads, each);
  const isEinsum = draft.opset >= 12 && draw.chance(0.3);
  const scores = isEinsum
    ? draft.node("Einsum", [queries, keys], { equation: "bhid,bhjd->bhij" })
    : draft.node("MatMul", [queries, draft.node("Transpose", [keys], { perm: [0, 1, 3, 2] })]);
  const scaled = draw.chance(0.7) ? draft.node("Mul", [scores, draft.tensor([1 / Math.sqrt(each)], [])]) : scores;
  const biased = draw.chance(0.2)
    ? draft.node("Add", [scaled, draft.floats([heads, seen.length, seen.length])])
    : scaled;
  // Before opset 13 it goes over all axes from the one that it names.
  const weights = draft.node("Softmax", [biased], { axis: draft.opset < 13 ? 3 : -1 });
  const mixed = isEinsum
    ? draft.node("Einsum", [weights, held], { equation: "bhij,bhjd->bhid" })
    : draft.node("MatMul", [weights, held]);
  const back = draft.node("Transpose", [mixed], { perm: [0, 2, 1, 3] });
  const joined = draft.node("Reshape", [back, draft.integers([0, draw.pick([seen.length, -1]), heads * each])]);
  const made = linear(draft, joined, heads * each, seen.width);
  return draw.chance(0.6) ? draft.node("Add", [made, seen.name]) : made;
};

/** A token that is the same for each image, in front of or behind its own, as exporters write it. */
const token: Layer = (draft, { name, shape }) => {
  const { draw } = draft;
  if (shape.length !== 3 || draft.opset < 9) return undefined;
  const width = shape[2] ?? 1;
  const batch = draft.node("Gather", [draft.node("Shape", [name]), draft.integers([0])], { axis: 0 });
  const dims = draft.node("Concat", [batch, draft.integers([1, width])], { axis: 0 });
  const repeated = draft.node("Expand", [draft.floats([1, 1, width]), dims]);
  return draft.node("Concat", draw.chance(0.7) ? [repeated, name] : [name, repeated], { axis: 1 });
};

export const products: Readonly<Record<string, Layer>> = {
  MatMulOfValues: matMul,
  GemmOfValues: gemm,
  Einsum: einsum,
  Attention: attention,
  Token: token,
};
