import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Dashboard, openDashboard } from "../../src/dashboard/server.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { accessibilityFaults, browserPath, buildPage, compressedSize, launchBrowser } from "./browser.ts";
import { temporaryFolder, writeRun } from "./runs-folder.ts";

const MINUTES = 60_000;
const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let root = "";
let runs = "";
let dashboard: Dashboard;
let browser: Browser | undefined;

/** Two classes that can be told apart: bright above, or bright below. */
async function writeImages(folder: string): Promise<void> {
  for (const [label, flip] of [["above", false] as const, ["below", true] as const]) {
    await mkdir(join(folder, label), { recursive: true });
    for (let number = 0; number < 60; number++) {
      const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, (_, at) => {
        const isTop = at < 16 * 32 * 3;
        return (isTop !== flip ? 190 : 40) + ((at * 7 + number * 13) % 50);
      });
      await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } })
        .png()
        .toFile(join(folder, label, `${number}.png`));
    }
  }
}

beforeAll(async () => {
  root = await temporaryFolder();
  runs = join(root, "runs");
  await buildPage(join(root, "page"));
  await writeRun(runs, "one", syntheticRun());
  await writeRun(runs, "two", syntheticRun());
  if (browserPath === undefined) return;
  await writeImages(join(root, "images"));
  dashboard = await openDashboard({
    ...{ runs, port: 0, page: join(root, "page") },
    command: { program: process.execPath, arguments: ["--import", "tsx", main] },
  });
  browser = await launchBrowser();
}, 5 * MINUTES);

afterAll(async () => {
  await browser?.close();
  if (browserPath !== undefined) await dashboard.close();
  await rm(root, { recursive: true, force: true });
}, MINUTES);

it("is small: less than 300 kB compressed", async () => {
  expect(await compressedSize(join(root, "page"))).toBeLessThan(300_000);
});

describe.skipIf(browserPath === undefined)("the page in a browser", () => {
  const complaints: string[] = [];

  async function openPage(path: string, width = 1280, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    if (browser === undefined) throw new Error("no browser");
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.setDefaultTimeout(2 * MINUTES);
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== "blob:" && protocol !== "data:" && host !== new URL(dashboard.address).host) {
        complaints.push(`asked ${request.url()}`);
      }
    });
    await page.goto(new URL(path, dashboard.address).href);
    return page;
  }

  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });

  it("shows a run, its curves and its figures, and two runs side by side", { timeout: 5 * MINUTES }, async () => {
    const page = await openPage("/");
    await page.getByRole("checkbox", { name: "compare one" }).check();
    await page.getByRole("checkbox", { name: "compare two" }).check();
    await page.getByRole("searchbox").fill("tw");
    await expect.poll(() => page.getByRole("status").first().textContent()).toBe("1 of 2 shown");
    await page.getByRole("button", { name: "Compare 2 of 2" }).click();
    await page.getByRole("heading", { name: "Two runs" }).waitFor();
    expect(await page.getByRole("row", { name: "test accuracy" }).textContent()).toContain("82.70 %82.70 %");
    await page.goto(new URL("/run/one", dashboard.address).href);
    await page.getByText("82.7 %").first().waitFor();
    expect(await page.locator(".charts canvas").count()).toBe(7);
    await page.close();
  });

  it.each([
    ["/", 1280, "light"],
    ["/", 390, "dark"],
    ["/run/one", 1280, "dark"],
    ["/run/one", 390, "light"],
    ["/new", 390, "dark"],
    ["/compare?left=one&right=two", 1280, "light"],
  ] as const)(
    "has nothing in the way of anybody: %s at %i pixels, %s",
    { timeout: 5 * MINUTES },
    async (path, width, scheme) => {
      const page = await openPage(path, width, scheme);
      await page.getByRole("heading", { level: 1 }).waitFor();
      expect(await accessibilityFaults(page)).toEqual([]);
      const tooWide = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect(tooWide).toBe(0);
      await page.close();
    },
  );

  it("starts a real run, watches it, stops it, and finds it again after a reload", {
    timeout: 10 * MINUTES,
  }, async () => {
    const page = await openPage("/new");
    await page.getByLabel("network", { exact: true }).fill("resnet-20");
    await page.getByLabel("data", { exact: true }).fill(join(root, "images"));
    await page.getByLabel("epochs", { exact: true }).fill("0");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("alert").getByText("epochs").waitFor();
    complaints.length = 0;
    for (const [label, value] of [
      ["epochs", "200"],
      ["name of the run", "real"],
      ["batch", "32"],
      ["learning rate", "0.05"],
      ["γ of neurons", "0.02"],
    ] as const) {
      await page.getByLabel(label, { exact: true }).fill(value);
    }
    await page.getByLabel("time the networks at the end").uncheck();
    await page.getByRole("button", { name: "Start" }).click();
    await page.waitForURL(/\/run\/real$/);
    await page.getByText(/^epoch [1-9]\d* of 200$/).waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await page.reload();
    await page.getByText("interrupted").first().waitFor();
    await page.close();
  });
});
