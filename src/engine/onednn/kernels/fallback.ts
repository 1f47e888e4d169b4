/**
 * Runs a node that oneDNN refuses on the host, with the reference kernel. A ReLU that was fused into it becomes a step
 * of its own. Steps of the failed lowering that were already emitted are removed first.
 */
import { UserError } from "../../../core/errors.ts";
import type { Node } from "../../../graph/graph.ts";
import { Refusal } from "../ffi/refusal.ts";
import type { Program } from "../planner/program.ts";
import { lowerToHost } from "./host.ts";

/**
 * Lowers `node` by `lowering`, or on the host if oneDNN refuses. Throws `UserError("engine-refused")` if the host
 * cannot compute it either.
 */
export function lowerOrFallBack(
  node: Node,
  program: Program,
  lowering: () => void,
  lowerAlone: (node: Node) => void,
): void {
  program.mark();
  try {
    lowering();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    program.takeBack();
    program.passOver(node.name, { implementation: "oneDNN", reason: refusal.message });
    const { reluAfter, reluBackwardBefore, reluBackwardAfter } = program.fusions;
    try {
      const maskBefore = reluBackwardBefore.get(node);
      if (maskBefore !== undefined) lowerAlone(maskBefore);
      lowerToHost(node, program);
      const relu = reluAfter.get(node);
      if (relu !== undefined) lowerAlone(relu);
      const maskAfter = reluBackwardAfter.get(node);
      if (maskAfter !== undefined) lowerAlone(maskAfter);
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      throw new UserError("engine-refused", `neither oneDNN nor the host can compute ${node.op} "${node.name}"`, {
        about: node.name,
        hint: `Use --engine reference (slow), or replace the node; oneDNN said: ${refusal.message}; ${cause.message}`,
        cause,
      });
    }
    program.fallenBack.push({ node: node.name, op: node.op, reason: refusal.message });
  }
}
