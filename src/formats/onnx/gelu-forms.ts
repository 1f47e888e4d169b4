/**
 * Finds GELU in files whose opset has no op for it. Exporters write x/2 · (1 + erf(x/√2)), and its approximation with
 * tanh, as five to nine nodes whose order differs from tool to tool. So the nodes around each `Erf` and `Tanh` are not
 * compared with known lists: what they compute is followed as polynomials of x.
 */
import { geluTanh } from "../../graph/activations.ts";
import { attributeMessage, type NodeMessage } from "./proto.ts";

/** Coefficients of powers of x, from the constant on. */
type Polynomial = readonly number[];

/** plain(x) + t · times(x), where t is the value of the `Erf` or `Tanh` node. */
interface Form {
  readonly plain: Polynomial;
  readonly times: Polynomial;
}

/** The largest power of x in the tanh form. */
const HIGHEST_POWER = 3;
/** No form of GELU has more nodes on one path. It limits what a malicious file can make the search do. */
const LONGEST_PATH = 10;
/** Files store these numbers with 16 bits or more. */
const TOLERANCE = 1e-3;

const { slope, cubic } = geluTanh;
const functions: ReadonlyMap<string, { readonly approximation: "none" | "tanh"; readonly argument: Polynomial }> =
  new Map([
    ["Erf", { approximation: "none", argument: [0, Math.SQRT1_2] }],
    ["Tanh", { approximation: "tanh", argument: [0, slope, 0, slope * cubic] }],
  ] as const);
const wholeGelu: Form = { plain: [0, 0.5], times: [0, 0.5] };

const nothing: Polynomial = [];
const one: Form = { plain: [1], times: nothing };

/** What the search asks about a file. */
export interface FileNodes {
  readonly nodes: readonly NodeMessage[];
  /** Names of the graph's outputs. */
  readonly outputs: readonly string[];
  /** The number that a tensor of the file has, if it has one. */
  numberOf(name: string): number | undefined;
}

/** The nodes of the file, with each group that computes GELU replaced by one `Gelu` node in the place of its last. */
export function withGelus(file: FileNodes): readonly NodeMessage[] {
  if (!file.nodes.some(({ opType = "" }) => functions.has(opType))) return file.nodes;
  const search = new Search(file);
  const replaced = new Map<NodeMessage, NodeMessage | undefined>();
  for (const node of file.nodes) {
    const found = search.around(node);
    if (found === undefined || [...found.group].some((member) => replaced.has(member))) continue;
    for (const member of found.group) replaced.set(member, member === found.last ? found.gelu : undefined);
  }
  return file.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : node));
}

interface Found {
  readonly gelu: NodeMessage;
  readonly last: NodeMessage;
  readonly group: ReadonlySet<NodeMessage>;
}

class Search {
  readonly #file: FileNodes;
  readonly #producerOf = new Map<string, NodeMessage>();
  readonly #readersOf = new Map<string, NodeMessage[]>();

  constructor(file: FileNodes) {
    this.#file = file;
    for (const node of file.nodes) {
      for (const output of node.output ?? []) this.#producerOf.set(output, node);
      for (const input of new Set(node.input)) {
        this.#readersOf.set(input, [...(this.#readersOf.get(input) ?? []), node]);
      }
    }
  }

  /** The GELU whose `Erf` or `Tanh` is `node`. */
  around(node: NodeMessage): Found | undefined {
    const known = functions.get(opOf(node));
    const [argument = ""] = node.input ?? [];
    const [t = ""] = node.output ?? [];
    if (known === undefined) return undefined;
    const x = this.#sources(argument).find((source) => {
      const form = this.#form(argument, source, "", new Map());
      return form !== undefined && isNear(form, { plain: known.argument, times: nothing });
    });
    if (x === undefined) return undefined;
    let value = t;
    for (let steps = 0; steps < LONGEST_PATH; steps++) {
      const [reader, ...others] = this.#readersOf.get(value) ?? [];
      if (reader === undefined || others.length > 0) return undefined;
      value = reader.output?.[0] ?? "";
      const forms = new Map<string, Form | undefined>();
      const form = this.#form(value, x, t, forms);
      if (form === undefined) return undefined;
      if (!isNear(form, wholeGelu)) continue;
      this.#form(argument, x, "", forms);
      const group = new Set([node, ...[...forms.keys()].flatMap((name) => this.#computing(name, x))]);
      if (!this.#isClosed(group, value)) return undefined;
      const attribute = known.approximation === "none" ? [] : [attributeMessage("approximate", known.approximation)];
      return { gelu: { ...reader, opType: "Gelu", input: [x], attribute }, last: reader, group };
    }
    return undefined;
  }

  /** `value` and what it is computed from by arithmetic, nearest first, without constants. */
  #sources(value: string): readonly string[] {
    const found = new Set([value]);
    for (const name of found) {
      if (found.size > LONGEST_PATH) break;
      const producer = this.#producerOf.get(name);
      if (producer === undefined || !arithmetic.has(opOf(producer))) continue;
      for (const input of producer.input ?? []) if (this.#number(input) === undefined) found.add(input);
    }
    return [...found];
  }

  /** What `value` is in terms of `x` and `t`. `forms` gets the form of every value on the way that nodes compute. */
  #form(value: string, x: string, t: string, forms: Map<string, Form | undefined>, depth = 0): Form | undefined {
    if (value === x) return { plain: [0, 1], times: nothing };
    if (value === t) return { plain: nothing, times: [1] };
    if (forms.has(value)) return forms.get(value);
    const number = this.#number(value);
    if (number !== undefined) return { plain: [number], times: nothing };
    const producer = this.#producerOf.get(value);
    const combine = arithmetic.get(producer === undefined ? "" : opOf(producer));
    if (producer === undefined || combine === undefined || depth > LONGEST_PATH) return undefined;
    const operands = (producer.input ?? []).map((input) => this.#form(input, x, t, forms, depth + 1));
    const known = operands.filter((operand) => operand !== undefined);
    const form = known.length === operands.length ? combine(known) : undefined;
    forms.set(value, form);
    return form;
  }

  #number(name: string): number | undefined {
    const stored = this.#file.numberOf(name);
    if (stored !== undefined) return stored;
    const producer = this.#producerOf.get(name);
    const [input = ""] = producer?.input ?? [];
    if (producer?.opType === "Sqrt") {
      const number = this.#file.numberOf(input);
      return number === undefined ? undefined : Math.sqrt(number);
    }
    return undefined;
  }

  #computing(name: string, x: string): readonly NodeMessage[] {
    const producer = this.#producerOf.get(name);
    return name === x || producer === undefined ? [] : [producer];
  }

  /** Whether nothing outside `group` reads its values, except `result`. */
  #isClosed(group: ReadonlySet<NodeMessage>, result: string): boolean {
    return [...group].every(({ output = [] }) =>
      output.every(
        (name) =>
          name === result ||
          (!this.#file.outputs.includes(name) &&
            (this.#readersOf.get(name) ?? []).every((reader) => group.has(reader))),
      ),
    );
  }
}

/** The op, if it is one of ONNX's own. */
function opOf({ domain, opType }: NodeMessage): string {
  return domain ? "" : (opType ?? "");
}

type Combine = (operands: readonly Form[]) => Form | undefined;

function binary(combine: (a: Form, b: Form) => Form | undefined): Combine {
  return ([a, b, ...others]) => (a === undefined || b === undefined || others.length > 0 ? undefined : combine(a, b));
}

const arithmetic: ReadonlyMap<string, Combine> = new Map([
  ["Add", binary(sum)],
  ["Sub", binary((a, b) => sum(a, scaled(b, -1)))],
  ["Mul", binary(product)],
  ["Div", binary((a, b) => (numberIn(b) === undefined ? undefined : scaled(a, 1 / (numberIn(b) ?? Number.NaN))))],
  ["Pow", binary(power)],
]);

function sum(a: Form, b: Form): Form {
  return { plain: added(a.plain, b.plain), times: added(a.times, b.times) };
}

function scaled({ plain, times }: Form, factor: number): Form {
  const scale = (values: Polynomial): Polynomial => values.map((value) => value * factor);
  return { plain: scale(plain), times: scale(times) };
}

/** Undefined if it has t² or too high a power of x. */
function product(a: Form, b: Form): Form | undefined {
  if (a.times.length > 0 && b.times.length > 0) return undefined;
  const plain = multiplied(a.plain, b.plain);
  const times = added(multiplied(a.times, b.plain), multiplied(a.plain, b.times));
  return Math.max(plain.length, times.length) > HIGHEST_POWER + 1 ? undefined : { plain, times };
}

function power(a: Form, b: Form): Form | undefined {
  const exponent = numberIn(b) ?? Number.NaN;
  if (!Number.isInteger(exponent) || exponent < 1 || exponent > HIGHEST_POWER) return undefined;
  let result: Form | undefined = one;
  for (let times = 0; times < exponent && result !== undefined; times++) result = product(result, a);
  return result;
}

/** The number that a form is, if it does not depend on x. */
function numberIn({ plain, times }: Form): number | undefined {
  return times.length === 0 && plain.length === 1 ? plain[0] : undefined;
}

function added(a: Polynomial, b: Polynomial): Polynomial {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, index) => (a[index] ?? 0) + (b[index] ?? 0));
}

function multiplied(a: Polynomial, b: Polynomial): Polynomial {
  if (a.length === 0 || b.length === 0) return nothing;
  const result = new Array<number>(a.length + b.length - 1).fill(0);
  for (const [i, left] of a.entries()) {
    for (const [j, right] of b.entries()) result[i + j] = (result[i + j] ?? 0) + left * right;
  }
  return result;
}

function isNear(a: Form, b: Form): boolean {
  return areNear(a.plain, b.plain) && areNear(a.times, b.times);
}

function areNear(a: Polynomial, b: Polynomial): boolean {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, index) => [a[index] ?? 0, b[index] ?? 0]).every(
    ([value = 0, wanted = 0]) => Math.abs(value - wanted) <= TOLERANCE * Math.abs(wanted),
  );
}
