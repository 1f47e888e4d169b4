import { describe, expect, it } from "vitest";
import { installCommand, installHint, newestOneDnnPackage } from "../../../src/engine/onednn/ffi/install.ts";

describe("the package that apt knows", () => {
  it.each([
    ["Debian 12", ["libdnnl2"], "libdnnl2"],
    ["Debian 13", ["libdnnl3.6"], "libdnnl3.6"],
    ["Ubuntu 24.04", ["libdnnl3"], "libdnnl3"],
    ["several releases at once", ["libdnnl2", "libdnnl3.10", "libdnnl3", "libdnnl3.9"], "libdnnl3.10"],
    ["headers and tools beside it", ["libdnnl-dev", "libdnnl-graph0", "libdnnl2"], "libdnnl2"],
    ["nothing", ["", "libdnnl-dev"], undefined],
  ])("is the newest: %s", (_, names, expected) => {
    expect(newestOneDnnPackage(names)).toBe(expected);
  });
});

describe("what to type", () => {
  const linux = { platform: "linux", distributions: [], conda: false } as const;
  it.each([
    ["apt", { ...linux, distributions: ["ubuntu", "debian"], aptPackage: "libdnnl3" }, "sudo apt-get install libdnnl3"],
    ["Fedora", { ...linux, distributions: ["fedora"] }, "sudo dnf install onednn"],
    ["Rocky Linux", { ...linux, distributions: ["rocky", "rhel", "centos", "fedora"] }, "sudo dnf install onednn"],
    ["macOS", { ...linux, platform: "darwin" as const }, "brew install onednn"],
    ["Windows", { ...linux, platform: "win32" as const }, "conda install -c conda-forge onednn"],
    ["conda on Debian", { ...linux, conda: true, aptPackage: "libdnnl2" }, "conda install -c conda-forge onednn"],
    ["a system without a package", { ...linux, distributions: ["nixos"] }, undefined],
  ])("is the command of %s", (_, facts, expected) => {
    expect(installCommand(facts)).toBe(expected);
    expect(installHint(facts)).toContain(expected ?? "pip install onednn");
    expect(installHint(facts)).toContain("--engine reference");
  });

  it("asks for apt's lists where apt knows no package", () => {
    expect(installHint({ ...linux, distributions: ["debian"] })).toContain('"sudo apt-get update"');
  });
});
