/** Plans of the same graph on all ranks. */
import type { Cluster } from "../distributed/cluster.ts";
import type { KernelChoices } from "./engine.ts";
import type { PlanHandle } from "./host.ts";

/**
 * The plan that `prepare` makes, with the kernels that rank 0 chose: gradients are summed in the layouts that go with
 * them, so all ranks must have the same. Throws what `prepare` throws, and `UserError("ranks-differ")` if a rank cannot
 * follow.
 */
export async function prepareOnRanks(
  cluster: Cluster,
  choices: KernelChoices,
  prepare: (choices: KernelChoices) => Promise<PlanHandle>,
): Promise<PlanHandle> {
  let own: PlanHandle | undefined;
  const chosen = await cluster.onFirst(async () => {
    own = await prepare(choices);
    return own.choices;
  });
  const plan = await cluster.together(async () => own ?? prepare(chosen));
  await cluster.requireSame(() => ({ "choice of kernels": JSON.stringify(sorted(plan.choices)) }));
  return plan;
}

function sorted(choices: KernelChoices): readonly (readonly [string, string])[] {
  return Object.entries(choices).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
