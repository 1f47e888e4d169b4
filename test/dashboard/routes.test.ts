/** Every address of the dashboard, asked by every method with every form of body; and files that are none. */
import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createApp } from "../../src/dashboard/app.ts";
import { RunStore } from "../../src/dashboard/runs.ts";
import { type Dashboard, openDashboard } from "../../src/dashboard/server.ts";
import { syntheticRun } from "../report/synthetic.ts";
import { linesOf, plainPage, temporaryFolder, writeRun } from "./runs-folder.ts";

const events = syntheticRun();
let root = "";
let runs = "";
let dashboard: Dashboard;
let faults: unknown[] = [];

beforeEach(async () => {
  root = await temporaryFolder();
  runs = join(root, "runs");
  faults = [];
  await plainPage(root);
  for (const name of ["synthetic", "other"]) {
    await writeFile(join(await writeRun(runs, name, events), "run.json"), "{}");
  }
  dashboard = await openDashboard({
    ...{ runs, port: 0, page: join(root, "page"), onError: (error) => faults.push(error) },
    command: { program: process.execPath, arguments: ["-e", "setTimeout(() => {}, 60_000)"] },
  });
});

afterEach(async () => {
  await dashboard.close();
  await rm(root, { recursive: true, force: true });
});

interface Body {
  readonly headers: Readonly<Record<string, string>>;
  readonly text?: string | Buffer;
}

interface Answer {
  readonly status: number;
  readonly allow: string | undefined;
  readonly text: string;
}

/** Asks as a page of the dashboard does; of a stream of events only what came at once is read. */
function ask(path: string, method = "GET", { headers, text }: Body = { headers: {} }): Promise<Answer> {
  const { hostname, port, host } = new URL(dashboard.address);
  return new Promise((resolve, reject) => {
    const own = { host, origin: `http://${host}`, ...headers };
    const asking = request({ hostname, port, path, method, headers: own, agent: false }, (response) => {
      let got = "";
      const end = (): void => {
        asking.destroy();
        resolve({ status: response.statusCode ?? 0, allow: response.headers.allow, text: got });
      };
      response.setEncoding("utf8").on("data", (part: string) => {
        got += part;
        if (response.headers["content-type"] === "text/event-stream") end();
      });
      response.on("end", end);
    });
    asking.on("error", reject);
    if (text !== undefined) asking.write(text);
    asking.end();
  });
}

describe("every address × method × form of body", () => {
  const json = JSON.stringify({ model: "resnet-20", data: "cifar10", epochs: 1 });
  const typed = { "content-type": "application/json" };
  const long = "x".repeat(20_000);
  const bodies: Readonly<Record<string, Body>> = {
    none: { headers: {} },
    empty: { headers: { "content-length": "0" } },
    chunked: { headers: { "transfer-encoding": "chunked" }, text: "ab" },
    "chunked JSON": { headers: { ...typed, "transfer-encoding": "chunked" }, text: '{"model":' },
    JSON: { headers: { ...typed, "content-length": String(json.length) }, text: json },
    text: { headers: { "content-type": "text/plain", "content-length": "2" }, text: "ab" },
    "JSON that is no text": { headers: { ...typed, "content-length": "1" }, text: Buffer.of(0xff) },
    oversized: { headers: { ...typed, "content-length": String(long.length) }, text: long },
    "oversized in chunks": { headers: { ...typed, "transfer-encoding": "chunked" }, text: long },
  };
  type Expected = number | ((body: string) => number);
  /** What asking by a method answers where it is taken; all other methods are refused. */
  const routes: Readonly<Record<string, { readonly GET?: Expected; readonly POST?: Expected }>> = {
    "/api/runs": {
      GET: 200,
      POST: (body) =>
        ({ JSON: 202, "chunked JSON": 400, "JSON that is no text": 400, "oversized in chunks": 413 })[body] ?? 415,
    },
    "/api/options": { GET: 200 },
    "/api/runs/synthetic": { GET: 200 },
    "/api/runs/nothing": { GET: 404 },
    "/api/runs/synthetic/events": { GET: 200 },
    "/api/runs/synthetic/network": { GET: 200 },
    "/api/runs/synthetic/levels": { GET: 200 },
    "/api/runs/synthetic/images": { GET: 404 },
    "/api/runs/nothing/events": { GET: 404 },
    "/api/runs/synthetic/timing": { GET: 404, POST: 404 },
    "/api/models/resnet-20/timing": {
      GET: 200,
      POST: (body) =>
        ({ JSON: 400, "chunked JSON": 400, "JSON that is no text": 400, "oversized in chunks": 413 })[body] ?? 415,
    },
    "/api/models/nothing/timing": { GET: 404, POST: 404 },
    "/api/started/nothing": { GET: 404 },
    "/api/runs/synthetic/resume": { POST: (body) => (body === "none" ? 202 : 422) },
    "/api/runs/nothing/resume": { POST: 404 },
    "/api/runs/other/stop": { POST: 409 },
    "/api/runs/nothing/stop": { POST: 404 },
    "/runs/synthetic/events.jsonl": { GET: 200 },
    "/runs/synthetic/nothing": { GET: 404 },
    "/runs/%zz": { GET: 404 },
    "/ort/ort.wasm.min.mjs": { GET: 200 },
    "/ort/package.json": { GET: 404 },
    "/assets/a.js": { GET: 200 },
    "/assets/nothing": { GET: 404 },
    "/": { GET: 200 },
    "/run/synthetic": { GET: 200 },
  };
  const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "TRACE"];

  it.each(Object.entries(routes))("%s", async (path, taken) => {
    const allow = [...("GET" in taken ? ["GET, HEAD"] : []), ...("POST" in taken ? ["POST"] : []), "OPTIONS"].join(
      ", ",
    );
    for (const method of methods) {
      for (const [form, body] of Object.entries(bodies)) {
        const own = method === "POST" ? taken.POST : method === "GET" || method === "HEAD" ? taken.GET : undefined;
        const usual = own ?? (method === "OPTIONS" ? 204 : 405);
        const expected = form === "oversized" ? 413 : typeof usual === "number" ? usual : usual(form);
        const { status, allow: told } = await ask(path, method, body);
        expect([path, method, form, status]).toEqual([path, method, form, expected]);
        if (status === 405 || status === 204) expect(told).toBe(allow);
      }
    }
    expect(faults).toEqual([]);
  });

  it("leaves out no route", () => {
    const app = createApp({
      ...{ store: new RunStore(runs), launcher: undefined, page: root, token: undefined, onLoopback: true },
      ...{ signal: new AbortController().signal, onError: () => undefined },
    });
    const patterns = new Set(app.routes.filter(({ method }) => method !== "ALL").map((one) => one.path));
    expect(patterns.size).toBeGreaterThan(10);
    for (const pattern of patterns) {
      const taken = new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+").replaceAll("*", ".*")}$`);
      expect([pattern, Object.keys(routes).some((path) => taken.test(path))]).toEqual([pattern, true]);
    }
  });

  it("addresses that there are not", async () => {
    for (const method of methods) {
      for (const [form, body] of Object.entries(bodies)) {
        const { status } = await ask("/api/nothing/at/all", method, body);
        expect([method, form, status]).toEqual([method, form, form === "oversized" ? 413 : 404]);
      }
    }
  });

  it("and the server is still there after a form that stopped half way", async () => {
    const { port, host } = new URL(dashboard.address);
    const socket = connect(Number(port), "127.0.0.1");
    const origin = `Host: ${host}\r\nOrigin: http://${host}`;
    const head = `POST /api/runs HTTP/1.1\r\n${origin}\r\nContent-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: 100\r\n\r\n{"model"`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    socket.destroy();
    await expect.poll(async () => (await ask("/api/options")).status).toBe(200);
    expect(faults).toEqual([]);
  });
});

/** Every address that reads something of a run. */
const addressesOf = (name: string): readonly string[] => [
  "/api/runs",
  ...["", "/events", "/network", "/levels", "/images", "/timing"].map((part) => `/api/runs/${name}${part}`),
  ...["run.json", "events.jsonl", "network.onnx", "compact.onnx", "report.html", "certificate.json"].map(
    (file) => `/runs/${name}/${file}`,
  ),
  ...["network.onnx", "state.json"].map((file) => `/runs/${name}/checkpoints/step-000001/${file}`),
];

describe("symbolic links in the folder of a run", () => {
  it("are followed by no address, wherever they lead", async () => {
    for (const outside of [join(root, "outside"), join(runs, "inside")]) {
      await writeRun(outside, ".", events);
      await mkdir(join(outside, "checkpoints", "step-000001"), { recursive: true });
      await writeFile(join(outside, "events.jsonl"), linesOf(events).replaceAll("resnet-20", "secret"));
      // None of them can be read: an address that follows a link to one ends as a refusal.
      const broken = ["run.json", "network.onnx", "compact.onnx", "report.html", "certificate.json"];
      for (const file of [...broken, "checkpoints/step-000001/network.onnx", "checkpoints/step-000001/state.json"]) {
        await writeFile(join(outside, file), "secret");
      }
      const linked = [...broken, "events.jsonl", "checkpoints"];
      for (const own of ["run.json", "events.jsonl", undefined]) {
        await rm(join(runs, "linked"), { recursive: true, force: true });
        await mkdir(join(runs, "linked"));
        if (own !== undefined) await writeFile(join(runs, "linked", own), "");
        for (const file of linked) {
          if (file !== own) await symlink(join(outside, file), join(runs, "linked", file));
        }
        const isRun = own !== undefined;
        for (const path of addressesOf("linked")) {
          const { status, text } = await ask(path);
          const isFile = path.startsWith("/runs/") && path !== `/runs/linked/${own}`;
          const needsNetwork = /\/(images|timing)$/.test(path);
          const expected = path === "/api/runs" ? 200 : !isRun || isFile || needsNetwork ? 404 : 200;
          expect([path, own, status]).toEqual([path, own, expected]);
          if (path !== "/api/runs" || outside === join(root, "outside")) expect(text).not.toContain("secret");
          if (path === "/api/runs/linked" && isRun) {
            expect(JSON.parse(text)).toMatchObject({ files: own === "run.json" ? [{ name: own }] : [] });
          }
        }
        expect((await ask("/api/runs/linked/resume", "POST")).status).toBe(404);
      }
    }
    expect(faults).toEqual([]);
  });
});

describe.skipIf(process.platform === "win32")("pipes in place of files", () => {
  it("hold up no address", { timeout: 30_000 }, async () => {
    for (const own of ["run.json", "events.jsonl"]) {
      const folder = join(runs, "pipes");
      await rm(folder, { recursive: true, force: true });
      await mkdir(join(folder, "checkpoints", "step-000001"), { recursive: true });
      const files = ["run.json", "events.jsonl", "network.onnx", "compact.onnx", "report.html", "certificate.json"];
      const pipes = files.filter((file) => file !== own);
      await writeFile(join(folder, own), "");
      for (const file of [...pipes, ".lock", "checkpoints/step-000001/network.onnx"]) {
        execFileSync("mkfifo", [join(folder, file)]);
      }
      for (const path of addressesOf("pipes")) {
        const start = performance.now();
        const { status } = await ask(path);
        expect([path, status === 200 || status === 404]).toEqual([path, true]);
        expect(performance.now() - start).toBeLessThan(2000);
      }
      await symlink("/dev/zero", join(folder, "zero.html"));
      expect((await ask("/runs/pipes/zero.html")).status).toBe(404);
    }
    expect(faults).toEqual([]);
  });
});

describe("connections that were opened and left", () => {
  it("are closed within a minute, a hundred of them, while others are served", { timeout: 90_000 }, async () => {
    const { port, host } = new URL(dashboard.address);
    const head = `Host: ${host}\r\nOrigin: http://${host}\r\n`;
    const said = [
      "",
      "GET / HT",
      `GET / HTTP/1.1\r\n${head}`,
      `POST /api/runs HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
      `POST /api/runs HTTP/1.1\r\n${head}Content-Type: application/json\r\nTransfer-Encoding: ` +
        "chunked\r\n\r\n1\r\n{\r\n",
    ];
    const start = performance.now();
    const closed = Array.from({ length: 100 }, (_, index) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => undefined).resume();
      socket.write(said[index % said.length] ?? "");
      return new Promise<number>((resolve) => {
        socket.on("close", () => resolve(performance.now() - start));
      });
    });
    expect((await ask("/api/runs")).status).toBe(200);
    expect(Math.max(...(await Promise.all(closed)))).toBeLessThan(60_000);
    expect((await ask("/api/runs")).status).toBe(200);
    expect(faults).toEqual([]);
  });
});
