/**
 * A headless Chromium for tests of the page, and the page built for them. Without a Chromium, those tests are skipped.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { build } from "vite";
import { optional } from "../../src/core/optional.ts";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const browserPath: string | undefined = places.find((place) => existsSync(place));
if (browserPath === undefined)
  console.warn("no Chromium: the tests of the page are skipped (apt-get install chromium)");

const quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking"];

/** WebGPU without a graphics card: slow, but the real thing. */
const softwareGpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

export async function launchBrowser({ hasWebGpu = false } = {}): Promise<Browser> {
  return chromium.launch({
    ...optional({ executablePath: browserPath }),
    args: [
      ...(hasWebGpu ? softwareGpu : ["--disable-gpu"]),
      ...quiet,
      "--disable-component-update",
      "--disable-sync",
      "--no-sandbox",
    ],
    timeout: 180_000,
  });
}

/** Builds the page into `folder`, as `npm run build` does. */
export async function buildPage(folder: string): Promise<void> {
  const configFile = fileURLToPath(new URL("../../vite.config.ts", import.meta.url));
  await build({ configFile, build: { outDir: folder }, logLevel: "error" });
}

/** Bytes of all files of the page, compressed; those of ONNX Runtime aside, which only who tries a network loads. */
export async function compressedSize(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.parentPath.endsWith("ort")) continue;
    bytes += gzipSync(await readFile(join(entry.parentPath, entry.name))).byteLength;
  }
  return bytes;
}

/** Kept from the first moment of each page on: everything that moved by itself, and from where to where. */
const shiftScript = `
  globalThis.shifts = [];
  const edges = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(" ");
  new PerformanceObserver((list) => {
    for (const { hadRecentInput, value, sources } of list.getEntries()) {
      if (hadRecentInput) continue;
      const moved = sources.map(({ node, previousRect, currentRect }) =>
        (node?.nodeName ?? "") + ": " + edges(previousRect) + " to " + edges(currentRect));
      globalThis.shifts.push({ value, moved });
    }
  }).observe({ type: "layout-shift", buffered: true });
`;

/** Has `page` remember what moves on it, from its next address on. */
export async function watchShifts(page: Page): Promise<void> {
  await page.addInitScript(shiftScript);
}

/** What moved on `page` since it was loaded, and by how much (a part of its layout shift). */
export async function shiftsOf(
  page: Page,
): Promise<readonly { readonly value: number; readonly moved: readonly string[] }[]> {
  return page.evaluate("globalThis.shifts");
}

/** What axe finds wrong with the page as it is, in words. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  // Evaluated by the browser's own debugger, which the page's policy does not bind.
  return page.evaluate(`(async () => {
    const module = undefined;
    ${axe.source};
    const { violations } = await axe.run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ": " + target.join(" ")));
  })()`);
}
