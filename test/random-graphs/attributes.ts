/** Attributes that a random node has or leaves out. */
import { type AttributeMessage, type AttributeValue, attributeTypes } from "../../src/formats/onnx/proto.ts";
import type { Draft } from "./draft.ts";

/** Attribute `name`, half of the time. */
export function maybe(draft: Draft, name: string, value: AttributeValue): Readonly<Record<string, AttributeValue>> {
  return draft.draw.chance(0.5) ? { [name]: value } : {};
}

export function floatsAttribute(name: string, values: readonly number[]): AttributeMessage {
  return { name, type: attributeTypes.floats, floats: [...values] };
}
