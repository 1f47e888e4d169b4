/** The kinds of from-scratch baselines that a pruned network is compared with. */
import type { ControlOf } from "./events.ts";

/**
 * `epochs`: the pruned architecture for as many epochs. `macs`: the same for as many training MACs. `uniform`: the
 * uniformly thinner network of as many MACs, for as many epochs.
 */
export const baselineKinds = ["epochs", "macs", "uniform"] as const;
export type BaselineKind = (typeof baselineKinds)[number];

/** Headings of tables. */
export const baselineNames: Readonly<Record<BaselineKind, string>> = {
  epochs: "from scratch (epochs)",
  macs: "from scratch (MACs)",
  uniform: "uniformly thinner",
};

export function baselineKindOf({ same, widths }: Pick<ControlOf, "same" | "widths">): BaselineKind {
  return widths ?? same;
}

/** What a baseline trains, in words. */
export function describeBaselineNetwork({ widths }: ControlOf): string {
  return widths === "uniform" ? "the uniformly thinner network of as many MACs" : "its pruned architecture";
}
