/**
 * Simulates hosts with network namespaces: each has its own name and address on a common bridge, and its cable can be
 * pulled.
 */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

/** Runs mpirun's command for a host inside its namespace, under the host's name. */
const AGENT = `#!/bin/sh
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c 'hostname "$1"; shift; exec sh -c "$*"' agent "$host" "$@"
`;

export interface Hosts {
  readonly names: readonly string[];
  /** Options that make mpirun reach the hosts. */
  readonly options: readonly string[];
  /** Pulls the cable of a host. */
  unplug(host: string): Promise<void>;
  /** Ends the processes that still run on a host: they keep the pipes of their job open. */
  end(host: string): Promise<void>;
  remove(): Promise<void>;
}

/** Makes `count` hosts, or returns the reason why this machine cannot. */
export async function makeHosts(count: number): Promise<Hosts | string> {
  // Names include the process id, because tests may run side by side.
  const own = process.pid % 10_000;
  const bridge = `eb${own}`;
  const subnet = `10.${100 + (own % 100)}.${Math.floor(own / 100)}`;
  const names = Array.from({ length: count }, (_, index) => `eh${own}-${index}`);
  const ip = async (...parameters: string[]): Promise<void> => void (await execa("ip", parameters));
  const folder = await mkdtemp(join(tmpdir(), "espalier-hosts-"));
  const remove = async (): Promise<void> => {
    for (const name of names) await execa("ip", ["netns", "del", name], { reject: false });
    await execa("ip", ["link", "del", bridge], { reject: false });
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ip("link", "add", bridge, "type", "bridge");
    await ip("addr", "add", `${subnet}.1/24`, "dev", bridge);
    await ip("link", "set", bridge, "up");
    for (const [index, name] of names.entries()) {
      await ip("netns", "add", name);
      await ip("link", "add", `${name}o`, "type", "veth", "peer", "name", `${name}i`);
      await ip("link", "set", `${name}i`, "netns", name);
      await ip("link", "set", `${name}o`, "master", bridge);
      await ip("link", "set", `${name}o`, "up");
      await ip("-n", name, "addr", "add", `${subnet}.${index + 2}/24`, "dev", `${name}i`);
      for (const device of [`${name}i`, "lo"]) await ip("-n", name, "link", "set", device, "up");
    }
    const agent = join(folder, "agent");
    await writeFile(agent, AGENT);
    await chmod(agent, 0o755);
    await execa("unshare", ["--uts", "hostname", "nobody"]);
    const parameters = {
      plm_rsh_agent: agent,
      oob_tcp_if_include: `${subnet}.0/24`,
      btl_tcp_if_include: `${subnet}.0/24`,
      btl: "tcp,self",
      oob_tcp_keepalive_time: "12",
      oob_tcp_keepalive_intvl: "2",
      oob_tcp_keepalive_probes: "3",
    };
    return {
      names,
      options: Object.entries(parameters).flatMap(([name, value]) => ["--mca", name, value]),
      unplug: (host) => ip("link", "set", `${host}o`, "down"),
      end: async (host) => {
        const { stdout } = await execa("ip", ["netns", "pids", host]);
        await execa("kill", ["-KILL", ...stdout.split("\n").filter((pid) => pid !== "")], { reject: false });
      },
      remove,
    };
  } catch (error) {
    await remove();
    return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
  }
}
