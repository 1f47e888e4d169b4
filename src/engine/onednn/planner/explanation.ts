/** Describes a step of a plan for `explain`. */
import type { PlanOperand, PlanStep } from "../../engine.ts";
import { isBlockedAlongOutputs, layoutName, reachedBytes } from "./layout-name.ts";
import type { Program } from "./program.ts";
import type { Step } from "./steps.ts";

/** Describes `step` of `program`, which took `milliseconds`. */
export function explainStep(step: Step, program: Program, milliseconds: number): PlanStep {
  const decision = step.kind === "primitive" ? program.tuner.decision(step.primitive) : undefined;
  const operands = operandsOf(step);
  const bytes = operands.reduce((sum, operand) => sum + operand.bytes, 0);
  const perSecond = (amount: number): number => (milliseconds === 0 ? 0 : amount / (milliseconds * 1e6));
  return {
    node: step.node,
    op: step.op,
    implementation: step.implementation,
    precision: operands.some(({ type }) => type === "bf16") ? "bf16" : "f32",
    operands,
    bytes,
    candidates: decision?.candidates ?? 1,
    passedOver: [...(decision?.passedOver ?? []), ...program.passedOver(step.node)],
    milliseconds,
    gigaflops: perSecond(2 * step.macs),
    gigabytesPerSecond: perSecond(bytes),
  };
}

function operandsOf({ operands }: Step): PlanOperand[] {
  // A copy of weights has the roles src and dst, but is recognised by its layouts.
  const copiesWeights =
    operands.every(({ role }) => role === "src" || role === "dst") &&
    operands.some(({ descriptor }) => descriptor.shape.length > 4 || isBlockedAlongOutputs(descriptor));
  const isVolume = operands.some(({ role, descriptor }) => /(src|dst)$/.test(role) && descriptor.shape.length > 4);
  const weights = isVolume && !copiesWeights ? "weights of volumes" : "weights";
  return operands.map(
    ({ role, access, descriptor }): PlanOperand => ({
      role,
      access,
      shape: descriptor.shape,
      layout: layoutName(
        descriptor,
        copiesWeights || role === "weights" || role === "diff_weights" ? weights : "images",
      ),
      type: descriptor.type,
      bytes: reachedBytes(descriptor),
    }),
  );
}
