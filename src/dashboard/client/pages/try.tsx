/** Runs the full and the compact network of a run side by side in the browser. */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatBytes, formatMilliseconds, formatPercent, percentOf } from "../../../report/format.ts";
import type { TestImages } from "../../protocol.ts";
import { api, fileAddress } from "../api.ts";
import { useAnswer } from "../follow.ts";
import { inputOf, likeliest, median, pictureOf, pixelsOf } from "../images.ts";
import { bytesOf } from "../parts/heat.tsx";
import { addresses } from "../router.ts";
import { type Sizes, useBackend, useNetworks } from "../try-networks.ts";
import type { NetworkRole } from "../try-protocol.ts";

const roles = [
  { role: "full", title: "Full network", file: "network.onnx" },
  { role: "compact", title: "Compact network", file: "compact.onnx" },
] as const satisfies readonly { readonly role: NetworkRole; readonly title: string; readonly file: string }[];

/** Both networks are timed in turns, so that other work on the machine slows both down. */
const TURNS = 5;
const RUNS_A_TURN = 10;
const SHOWN_CLASSES = 5;

interface Answer {
  readonly logits: Float32Array;
  readonly milliseconds: number | undefined;
}
type Answers = Readonly<Partial<Record<NetworkRole, Answer>>>;

function Picture({
  pixels,
  shape,
  label,
}: {
  readonly pixels: Uint8Array;
  readonly shape: TestImages["shape"];
  readonly label: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [, height, width] = shape;
  useEffect(() => {
    canvas.current?.getContext("2d")?.putImageData(pictureOf(pixels, shape), 0, 0);
  }, [pixels, shape]);
  // A picture without a label is inside an element that has one.
  const about = label === "" ? { "aria-hidden": true } : { role: "img" as const, "aria-label": label };
  return <canvas ref={canvas} width={width} height={height} {...about} />;
}

function AnswerCard({
  title,
  name,
  file,
  bytes,
  answer,
  images,
  label,
}: {
  readonly title: string;
  readonly name: string;
  readonly file: string;
  readonly bytes: number | undefined;
  readonly answer: Answer | undefined;
  readonly images: TestImages;
  readonly label: number | undefined;
}) {
  const classes = answer === undefined ? [] : likeliest(answer.logits, images, SHOWN_CLASSES);
  const [best] = classes;
  const truth = label === undefined ? undefined : images.classes[label];
  return (
    <div class="card answer">
      <h2>{title}</h2>
      <p class="verdict">
        {best === undefined ? "…" : best.name}
        {best !== undefined && truth !== undefined && (
          <span class="soft">{best.name === truth ? "✓ correct" : `✗ it is ${truth}`}</span>
        )}
      </p>
      <ol class="shares">
        {Array.from({ length: Math.min(SHOWN_CLASSES, images.classes.length) }, (_, index) => {
          const one = classes[index];
          return (
            <li key={index}>
              <span>{one?.name ?? " "}</span>
              <progress max={1} value={one?.share ?? 0} aria-label={one === undefined ? "no answer yet" : one.name} />
              <span class="n">{one === undefined ? "" : formatPercent(100 * one.share)}</span>
            </li>
          );
        })}
      </ol>
      <dl>
        <dt>latency, median of {TURNS * RUNS_A_TURN}</dt>
        <dd>{answer?.milliseconds === undefined ? "…" : formatMilliseconds(answer.milliseconds)}</dd>
        <dt>file</dt>
        <dd>
          {bytes === undefined ? "…" : formatBytes(bytes)}{" "}
          <a href={fileAddress(name, file)} download={`${name}-${file}`}>
            download
          </a>
        </dd>
      </dl>
    </div>
  );
}

function Comparison({ answers, sizes }: { readonly answers: Answers; readonly sizes: Sizes | undefined }) {
  return (
    <p class="lead comparison" role="status">
      {sizes === undefined ? "Loading both networks …" : comparisonOf(answers, sizes)}
    </p>
  );
}

function comparisonOf({ full, compact }: Answers, sizes: Sizes): string {
  if (full === undefined || compact === undefined) return "Running both networks …";
  // One number has no range: it is compared with its size.
  const all = full.logits.length === 1 ? [0, ...full.logits] : [...full.logits];
  const range = Math.max(...all) - Math.min(...all);
  const largest = full.logits.reduce(
    (most, logit, index) => Math.max(most, Math.abs(logit - (compact.logits[index] ?? 0))),
    0,
  );
  const [slow, fast] = [full.milliseconds, compact.milliseconds];
  const same = `The logits differ by at most ${(largest / Math.max(range, 1e-12)).toExponential(1)} of their range.`;
  const bytes = `The compact file has ${formatPercent(percentOf(sizes.compact, sizes.full))} of the bytes`;
  const time =
    slow === undefined || fast === undefined ? "" : ` and takes ${formatPercent(percentOf(fast, slow))} of the time`;
  return `${same} ${bytes}${time}.`;
}

interface Chosen {
  readonly pixels: Uint8Array;
  readonly label: number | undefined;
  /** Index of a test image. */
  readonly index?: number;
}

export function TryPage({ name }: { readonly name: string }) {
  const { value: images, error: imagesError } = useAnswer(() => api.images(name), name);
  const { backend, hasWebGpu, choose: chooseBackend, fallBack, note } = useBackend();
  const { runner, sizes, error } = useNetworks(name, backend, fallBack);
  const [chosen, choose] = useState<Chosen>();
  const [answers, setAnswers] = useState<Answers>({});
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    document.title = `Try ${name} · Espalier`;
  }, [name]);
  useEffect(() => {
    const [firstImage] = images?.images ?? [];
    if (firstImage !== undefined) choose({ pixels: bytesOf(firstImage.pixels), label: firstImage.label, index: 0 });
  }, [images]);
  useEffect(() => {
    if (runner === undefined || sizes === undefined || chosen === undefined || images === undefined) return;
    let isOver = false;
    const ask = async (): Promise<void> => {
      const input = inputOf(chosen.pixels, images);
      setAnswers({});
      for (const { role } of roles) {
        const logits = await runner.logits(role, input, images.shape);
        if (isOver) return;
        setAnswers((before) => ({ ...before, [role]: { logits, milliseconds: undefined } }));
      }
      const taken: Readonly<Record<NetworkRole, number[]>> = { full: [], compact: [] };
      for (let turn = 0; turn < TURNS; turn++) {
        for (const { role } of roles) {
          taken[role].push(...(await runner.time(role, input, images.shape, RUNS_A_TURN)));
          if (isOver) return;
        }
      }
      setAnswers(({ full, compact }) => ({
        ...(full === undefined ? {} : { full: { ...full, milliseconds: median(taken.full) } }),
        ...(compact === undefined ? {} : { compact: { ...compact, milliseconds: median(taken.compact) } }),
      }));
    };
    ask().catch((cause: Error) => {
      if (!isOver && !fallBack(cause)) setTrouble(cause.message);
    });
    return () => {
      isOver = true;
    };
  }, [runner, sizes, chosen, images]);
  const heading = (
    <h1>
      Try <a href={addresses.run(name)}>{name}</a>
    </h1>
  );
  if (images === undefined) {
    return (
      <>
        {heading}
        <p class="lead">{imagesError ?? "Opening the data of the run …"}</p>
      </>
    );
  }
  const take = (file: File | undefined): void => {
    if (file === undefined) return;
    setTrouble(undefined);
    pixelsOf(file, images.shape).then(
      (pixels) => choose({ pixels, label: undefined }),
      (cause: Error) => setTrouble(cause.message),
    );
  };
  return (
    <>
      {heading}
      <p class="lead">
        Both networks run in this browser, one image at a time on one thread. No image leaves the browser.
      </p>
      <div
        class="drop card"
        role="group"
        aria-label="The image"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          take(event.dataTransfer?.files[0]);
        }}
      >
        <div class="shown">
          {chosen !== undefined && (
            <Picture
              pixels={chosen.pixels}
              shape={images.shape}
              label={chosen.label === undefined ? "your image" : `test image: ${images.classes[chosen.label] ?? ""}`}
            />
          )}
        </div>
        <div>
          <label class="button">
            Choose an image
            <input
              type="file"
              accept="image/*"
              class="hidden"
              onChange={({ currentTarget }) => take(currentTarget.files?.[0])}
            />
          </label>{" "}
          <span class="soft">or drop one here, or choose a test image</span>
          <ul class="samples">
            {images.images.map(({ pixels, label }, index) => (
              <li key={index}>
                <button
                  type="button"
                  aria-label={`test image ${index + 1}: ${images.classes[label] ?? ""}`}
                  aria-pressed={chosen?.index === index}
                  onClick={() => choose({ pixels: bytesOf(pixels), label, index })}
                >
                  <Picture pixels={bytesOf(pixels)} shape={images.shape} label="" />
                </button>
              </li>
            ))}
          </ul>
          <label class="backend">
            run with{" "}
            <select
              value={backend ?? "wasm"}
              onChange={({ currentTarget }) => chooseBackend(currentTarget.value === "webgpu" ? "webgpu" : "wasm")}
            >
              <option value="wasm">WebAssembly</option>
              <option value="webgpu" disabled={!hasWebGpu}>
                WebGPU{hasWebGpu ? "" : " (not in this browser)"}
              </option>
            </select>
          </label>{" "}
          <span role="status" class="soft">
            {note}
          </span>
        </div>
      </div>
      <p role="alert" class="bad">
        {trouble ?? error}
      </p>
      <Comparison answers={answers} sizes={sizes} />
      <div class="sides">
        {roles.map(({ role, title, file }) => (
          <AnswerCard
            key={role}
            title={title}
            name={name}
            file={file}
            bytes={sizes?.[role]}
            answer={answers[role]}
            images={images}
            label={chosen?.label}
          />
        ))}
      </div>
    </>
  );
}
