/**
 * Finds the streams: channels that several layers write, or that are read again and again through batch norms, because
 * additions and concatenations join them. Residual streams are one case, the joined features of a dense block another.
 * A stream has one factor a channel, shared by everything that writes or reads it, and sits where a zero is final:
 *
 * - behind every batch norm that reads the stream, where all readers begin with one (pre-activation networks,
 *   DenseNet): a factor in front of them would be normalised away until it is zero, and their shifts would bring the
 *   channel back;
 * - else behind every layer that writes it (post-activation networks, MobileNetV2);
 * - else at both: a reader without a batch norm sees λ once from its writers, a reader with one once from behind it.
 *
 * Values of different widths may share a stream (zero-padded shortcuts, the growing features of a dense block): each
 * then takes a run of the stream's factors. docs/decisions/0007-one-factor-for-a-stream.md tells why.
 */
import { required } from "../core/errors.ts";
import { activationFunction } from "../graph/activations.ts";
import type { Node } from "../graph/graph.ts";
import { layerKind, type Selectable, structureCount } from "./layers.ts";
import type { SelectionFacts, Site } from "./placement-analysis.ts";

/** Layers whose channels cannot be selected, and why. */
export interface Refusal {
  readonly layers: readonly string[];
  readonly reason: string;
}

export interface FoundStreams {
  readonly streams: readonly Selectable[];
  readonly refused: readonly Refusal[];
}

/** Values that share channels, directly or through a batch norm that reads several of them. */
interface Component {
  readonly writers: Node[];
  readonly written: Site[];
  readonly read: Site[];
  readonly classes: Set<number>;
}

/** The streams of the network among the channels that `layers` has no factors for, in execution order. */
export function findStreams(facts: SelectionFacts, layers: readonly Selectable[]): FoundStreams {
  const claimed = new Set(layers.flatMap(({ sites }) => sites.flatMap(({ value }) => [...facts.classesOf(value)])));
  const streams: Selectable[] = [];
  const refused: Refusal[] = [];
  const places = new Map(facts.layers.map((layer, place) => [layer, place] as const));
  for (const component of componentsOf(facts, claimed)) {
    const found = streamOf(facts, component);
    if (typeof found === "string") {
      const writers = component.writers.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
      refused.push({ layers: writers.map(({ name }) => name), reason: found });
    } else streams.push(found);
  }
  return { streams, refused };
}

function componentsOf(facts: SelectionFacts, claimed: ReadonlySet<number>): readonly Component[] {
  /** Each with the number of the time when something was last joined to it, which gives their order. */
  const joinedAt = new Map<Component, number>();
  const componentOf = new Map<number, Component>();
  let times = 0;
  /** The one component of everything that has a channel in `classes`, made of those there were. */
  const joined = (classes: Int32Array): Component => {
    const own = new Set(Array.from(classes, (one) => componentOf.get(one)).filter((one) => one !== undefined));
    const [component = { writers: [], written: [], read: [], classes: new Set() }, ...others] = [...own].toSorted(
      (a, b) => (joinedAt.get(a) ?? 0) - (joinedAt.get(b) ?? 0),
    );
    const add = (some: Iterable<number>): void => {
      for (const one of some) {
        component.classes.add(one);
        componentOf.set(one, component);
      }
    };
    for (const other of others) {
      component.writers.push(...other.writers);
      component.written.push(...other.written);
      component.read.push(...other.read);
      add(other.classes);
      joinedAt.delete(other);
    }
    add(classes);
    joinedAt.set(component, ++times);
    return component;
  };
  const sites = new Set<string>();
  for (const layer of facts.layers) {
    const classes = facts.classesOf(required(layer.outputs[0], `output of "${layer.name}"`));
    if (classes.some((one) => claimed.has(one))) continue;
    const site = facts.siteBehind(layer);
    sites.add(site.node);
    const component = joined(classes);
    component.writers.push(layer);
    component.written.push(site);
  }
  for (const node of facts.graph.nodes) {
    if (node.op !== "batch_normalization" || sites.has(node.name)) continue;
    const value = required(node.outputs[0], `output of "${node.name}"`);
    const classes = facts.classesOf(value);
    if (!classes.some((one) => claimed.has(one))) joined(classes).read.push({ value, node: node.name });
  }
  return [...joinedAt]
    .toSorted(([, a], [, b]) => a - b)
    .flatMap(([component]) => (component.writers.length > 0 ? component : []));
}

/** The stream that `component` is, or why it is none. */
function streamOf(facts: SelectionFacts, { writers, written, read, classes }: Component): Selectable | string {
  const { graph } = facts;
  const touches = (value: string): boolean => facts.classesOf(value).some((one) => classes.has(one));
  if (graph.outputs.some(touches)) return "its channels are the network's outputs";
  const image = graph.inputs.find(({ name }) => touches(name));
  if (image !== undefined) return `its channels are coupled to those of the input "${image.name}"`;
  const candidates = read.length === 0 ? [written] : [read, written, [...written, ...read]];
  const sites = candidates.find((some) =>
    facts.dies(
      some.map(({ value }) => value),
      classes,
    ),
  );
  if (sites === undefined) return revivalReason(facts, [...written, ...read], classes);
  const aligned = alignedSites(facts, sites, classes.size);
  if (typeof aligned === "string") return aligned;
  if (facts.partsWeights(aligned)) return "its layers share weights with others that no factor of theirs would scale";
  const [writer, ...others] = writers;
  if (others.length > 0 || writer === undefined) {
    return { kind: "stream", layer: jointOf(facts, classes), sites: aligned, count: classes.size };
  }
  const kind = layerKind(facts, writer, facts.classesOf(writer.outputs[0] ?? "").length, classes.size);
  return kind === undefined
    ? `its channels are coupled in ${classes.size} parts that are neither channels nor its groups`
    : { kind, layer: writer.name, sites: aligned, count: classes.size };
}

/** `sites` with the run of factors each takes, in the order of the widest one; or why there is no such order. */
function alignedSites(facts: SelectionFacts, sites: readonly Site[], count: number): readonly Site[] | string {
  const classesAt = sites.map(({ value }) => facts.classesOf(value));
  const widest = classesAt.reduce<readonly number[]>((order, own) => {
    const distinct = [...new Set(own)];
    return distinct.length > order.length ? distinct : order;
  }, []);
  if (widest.length < count) return "no value has all of the channels that are coupled to it";
  const place = new Map(widest.map((one, index) => [one, index] as const));
  const aligned: Site[] = [];
  for (const [index, site] of sites.entries()) {
    const places = Array.from(classesAt[index] ?? [], (one) => place.get(one) ?? -1);
    const size = places.length / count;
    const [first = 0] = places;
    const isWhole = Number.isInteger(size) && places.every((at, channel) => at === Math.floor(channel / size));
    if (isWhole) aligned.push(site);
    else if (places.every((at, channel) => at === first + channel)) aligned.push({ ...site, first });
    else if (structureCount(classesAt[index] ?? new Int32Array()) === undefined) {
      return `its channels are not coupled one by one ("${site.node}" reads or writes several as one)`;
    } else return `"${site.node}" has its channels in another order than other layers of the stream`;
  }
  return aligned;
}

/** Why zeros at all sites would not be final: the first node that makes something of them again. */
function revivalReason(facts: SelectionFacts, sites: readonly Site[], classes: ReadonlySet<number>): string {
  const alive = facts.survivors(
    sites.map(({ value }) => value),
    classes,
  );
  const scaled = new Set(sites.map(({ node }) => node));
  for (const node of facts.nodesWith(classes)) {
    const what = scaled.has(node.name) ? undefined : revival(node);
    const [dst = ""] = node.outputs;
    if (what !== undefined && facts.classesOf(dst).some((one) => alive.has(one))) {
      return `"${node.name}" ${what} after a zero`;
    }
  }
  return "a zero in its channels does not stay zero on the way to what reads them";
}

/** What `node` makes of a channel of zeros, in words; undefined if zeros or what only its source tells. */
function revival(node: Node): string | undefined {
  switch (node.op) {
    case "batch_normalization":
    case "bias":
      return "adds a shift to its channels";
    case "activation": {
      const value = activationFunction(node.attributes)(0);
      return value === 0
        ? undefined
        : `(${node.attributes.function}) makes ${Number(value.toFixed(3))} of its channels`;
    }
    case "softmax":
      return "(softmax) makes shares of its channels that are not zero";
    case "clip": {
      const { minimum, maximum } = node.attributes;
      const value = Math.min(Math.max(0, minimum), maximum);
      return value === 0 ? undefined : `(clip) makes ${value} of its channels`;
    }
    default:
      return undefined;
  }
}

/** Name of the first addition or concatenation of the channels, else of the first node that has them. */
function jointOf(facts: SelectionFacts, classes: ReadonlySet<number>): string {
  const own = facts.nodesWith(classes);
  const joint = own.find(({ op }) => op === "add" || op === "concatenation") ?? own[0];
  return required(joint, "the node that joins a stream").name;
}
