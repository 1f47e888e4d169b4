import { describe, expect, it } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { unknownName } from "../../src/core/names.ts";

describe("unknownName", () => {
  it("suggests the nearest name", () => {
    const error = unknownName("model", "resnet20", ["resnet-20", "resnet-32", "vgg-16"]);
    expect(error).toBeInstanceOf(UserError);
    expect(error.code).toBe("unknown-name");
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe('unknown model "resnet20". Did you mean "resnet-20"?');
  });

  it("lists all names if none is near", () => {
    expect(unknownName("dataset", "imagenet", ["cifar10", "mnist"]).message).toBe(
      'unknown dataset "imagenet". Known: cifar10, mnist',
    );
  });

  it("allows two slips in a short name, a third of a long one", () => {
    expect(unknownName("schedule", "stpe", ["step", "cosine"]).message).toContain('"step"');
    expect(unknownName("schedule", "abcd", ["step", "cosine"]).message).toContain("Known:");
  });

  it("works without any known name", () => {
    expect(unknownName("layer", "x", []).message).toContain('unknown layer "x"');
  });
});
