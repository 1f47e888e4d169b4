/**
 * Finds the streams of a network: channels that several layers write, or that several batch norms read, because
 * additions and concatenations join them. Examples are residual streams and the joined features of a dense block. A
 * stream has one factor per channel. All nodes that write or read the channel share it. The factors are placed where a
 * zero stays zero:
 *
 * - after every batch norm that reads the stream, if every reader begins with a batch norm (pre-activation networks,
 *   DenseNet): the batch norm would undo a factor in front of it, and its shift would restore a zero channel;
 * - else after every layer that writes the stream (post-activation networks, MobileNetV2);
 * - else at both: a reader without a batch norm gets λ from the writers, a reader with one gets λ after it.
 *
 * Values of different widths may share a stream (zero-padded shortcuts, the growing features of a dense block). Each
 * value then uses a run of the stream's factors. docs/decisions/0007-one-factor-for-a-stream.md gives the reasons.
 */
import { required } from "../core/errors.ts";
import { activationFunction } from "../graph/activations.ts";
import type { Node } from "../graph/graph.ts";
import { layerKind, type Selectable, structureCount } from "./layers.ts";
import type { PlacementAnalysis, Site } from "./placement-analysis.ts";

/** Layers whose channels can have no factors, and the reason. */
export interface Refusal {
  readonly layers: readonly string[];
  readonly reason: string;
}

export interface FoundStreams {
  readonly streams: readonly Selectable[];
  readonly refused: readonly Refusal[];
}

/** Values that share channels, directly or through a batch norm that reads several of these values. */
interface Component {
  readonly writers: Node[];
  readonly written: Site[];
  readonly read: Site[];
  readonly classes: Set<number>;
}

/** The streams among the channels that `layers` does not contain, in execution order. */
export function findStreams(analysis: PlacementAnalysis, layers: readonly Selectable[]): FoundStreams {
  const claimed = new Set(layers.flatMap(({ sites }) => sites.flatMap(({ value }) => [...analysis.classesOf(value)])));
  const streams: Selectable[] = [];
  const refused: Refusal[] = [];
  const places = new Map(analysis.layers.map((layer, place) => [layer, place] as const));
  for (const component of componentsOf(analysis, claimed)) {
    const found = streamOf(analysis, component);
    if (typeof found === "string") {
      const writers = component.writers.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0));
      refused.push({ layers: writers.map(({ name }) => name), reason: found });
    } else streams.push(found);
  }
  return { streams, refused };
}

/** The components of the channels that no other structure has claimed, in the order in which they were complete. */
function componentsOf(analysis: PlacementAnalysis, claimed: ReadonlySet<number>): readonly Component[] {
  const components = new Components();
  const sites = new Set<string>();
  for (const layer of analysis.layers) {
    const classes = analysis.classesOf(required(layer.outputs[0], `output of "${layer.name}"`));
    if (classes.some((one) => claimed.has(one))) continue;
    const site = analysis.siteBehind(layer);
    sites.add(site.node);
    const component = components.join(classes);
    component.writers.push(layer);
    component.written.push(site);
  }
  for (const node of analysis.graph.nodes) {
    if (node.op !== "batch_normalization" || sites.has(node.name)) continue;
    const value = required(node.outputs[0], `output of "${node.name}"`);
    const classes = analysis.classesOf(value);
    if (!classes.some((one) => claimed.has(one))) components.join(classes).read.push({ value, node: node.name });
  }
  return components.inOrder().filter(({ writers }) => writers.length > 0);
}

class Components {
  readonly #ofClass = new Map<number, Component>();
  /** Component → a counter that says when a value last joined it. */
  readonly #joinedAt = new Map<Component, number>();
  #joins = 0;

  /** Merges all components that have a channel in `classes` into the one joined longest ago, and returns it. */
  join(classes: Int32Array): Component {
    const touched = new Set(Array.from(classes, (one) => this.#ofClass.get(one)).filter((one) => one !== undefined));
    const [component = { writers: [], written: [], read: [], classes: new Set() }, ...others] = [...touched].toSorted(
      (a, b) => (this.#joinedAt.get(a) ?? 0) - (this.#joinedAt.get(b) ?? 0),
    );
    for (const other of others) {
      component.writers.push(...other.writers);
      component.written.push(...other.written);
      component.read.push(...other.read);
      this.#addClasses(component, other.classes);
      this.#joinedAt.delete(other);
    }
    this.#addClasses(component, classes);
    this.#joinedAt.set(component, ++this.#joins);
    return component;
  }

  inOrder(): readonly Component[] {
    return [...this.#joinedAt].toSorted(([, a], [, b]) => a - b).map(([component]) => component);
  }

  #addClasses(component: Component, classes: Iterable<number>): void {
    for (const one of classes) {
      component.classes.add(one);
      this.#ofClass.set(one, component);
    }
  }
}

/** The stream of a component, or the reason why it cannot have factors. */
function streamOf(analysis: PlacementAnalysis, { writers, written, read, classes }: Component): Selectable | string {
  const { graph } = analysis;
  // A factor folds into the weights. Its gradient comes from theirs, and frozen weights have none.
  if (writers.every((writer) => analysis.isFrozen(writer))) return "its weights are frozen";
  const touches = (value: string): boolean => analysis.classesOf(value).some((one) => classes.has(one));
  if (graph.outputs.some(touches)) return "its channels are the network's outputs";
  const image = graph.inputs.find(({ name }) => touches(name));
  if (image !== undefined) return `its channels are coupled to those of the input "${image.name}"`;
  const candidates = read.length === 0 ? [written] : [read, written, [...written, ...read]];
  const sites = candidates.find((some) =>
    analysis.haveNoEffect(
      some.map(({ value }) => value),
      classes,
    ),
  );
  if (sites === undefined) return revivalReason(analysis, [...written, ...read], classes);
  const aligned = alignedSites(analysis, sites, classes.size);
  if (typeof aligned === "string") return aligned;
  if (analysis.splitsSharedWeights(aligned)) return "its layers share weights with layers that would have no factor";
  const [writer, ...others] = writers;
  if (others.length > 0 || writer === undefined) {
    return { kind: "stream", layer: joiningNode(analysis, classes), sites: aligned, count: classes.size };
  }
  const kind = layerKind(analysis, writer, analysis.classesOf(writer.outputs[0] ?? "").length, classes.size);
  return kind === undefined
    ? `its channels form ${classes.size} coupled sets, which are neither single channels nor its groups`
    : { kind, layer: writer.name, sites: aligned, count: classes.size };
}

/** `sites` with the run of factors of each, in the channel order of the widest; or the reason why no order fits all. */
function alignedSites(analysis: PlacementAnalysis, sites: readonly Site[], count: number): readonly Site[] | string {
  const classesAt = sites.map(({ value }) => analysis.classesOf(value));
  const widest = classesAt.reduce<readonly number[]>((order, own) => {
    const distinct = [...new Set(own)];
    return distinct.length > order.length ? distinct : order;
  }, []);
  if (widest.length < count) return "no value contains all channels of the stream";
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
      return `"${site.node}" couples several of its channels to one`;
    } else return `"${site.node}" has its channels in another order than the stream's other layers`;
  }
  return aligned;
}

/** The reason why a zero factor would not keep its channel at zero: the first node that changes the zeros. */
function revivalReason(analysis: PlacementAnalysis, sites: readonly Site[], classes: ReadonlySet<number>): string {
  const effective = analysis.effectiveClasses(
    sites.map(({ value }) => value),
    classes,
  );
  const scaled = new Set(sites.map(({ node }) => node));
  for (const node of analysis.nodesWith(classes)) {
    const what = scaled.has(node.name) ? undefined : revival(node);
    const [dst = ""] = node.outputs;
    if (what !== undefined && analysis.classesOf(dst).some((one) => effective.has(one))) {
      return `"${node.name}" ${what} after the factor`;
    }
  }
  return "a node between a factor and its readers changes zeros to other values";
}

/** How `node` changes a channel of zeros, in words; undefined if it does not, or if that depends on its input. */
function revival(node: Node): string | undefined {
  switch (node.op) {
    case "batch_normalization":
    case "bias":
      return "adds a shift to its channels";
    case "activation": {
      const value = activationFunction(node.attributes)(0);
      return value === 0 ? undefined : `(${node.attributes.function}) changes zeros to ${Number(value.toFixed(3))}`;
    }
    case "softmax":
      return "(softmax) changes zeros to positive values";
    case "clip": {
      const { minimum, maximum } = node.attributes;
      const value = Math.min(Math.max(0, minimum), maximum);
      return value === 0 ? undefined : `(clip) changes zeros to ${value}`;
    }
    default:
      return undefined;
  }
}

/** The name of the first addition or concatenation of the channels, else of the first node that has them. */
function joiningNode(analysis: PlacementAnalysis, classes: ReadonlySet<number>): string {
  const own = analysis.nodesWith(classes);
  const joining = own.find(({ op }) => op === "add" || op === "concatenation") ?? own[0];
  return required(joining, "the node that joins a stream").name;
}
