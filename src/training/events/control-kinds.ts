/** The kinds of from-scratch baselines that a pruned network is compared with. */
import type { ControlOf } from "./events.ts";

/**
 * `epochs`: the pruned architecture for as many epochs. `macs`: the same for as many training MACs. `uniform`: the
 * uniformly thinner network of as many MACs, for as many epochs.
 */
export const controlKinds = ["epochs", "macs", "uniform"] as const;
export type ControlKind = (typeof controlKinds)[number];

/** Headings of tables. */
export const controlNames: Readonly<Record<ControlKind, string>> = {
  epochs: "from scratch (epochs)",
  macs: "from scratch (MACs)",
  uniform: "uniformly thinner",
};

export function controlKindOf({ same, widths }: Pick<ControlOf, "same" | "widths">): ControlKind {
  return widths ?? same;
}

/** What a baseline trains, in words. */
export function architectureOf({ widths }: ControlOf): string {
  return widths === "uniform" ? "the uniformly thinner network of as many MACs" : "its pruned architecture";
}
