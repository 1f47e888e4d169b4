/**
 * How colours look: contrast as WCAG 2.2 has it, differences as CIE 1976 has them, and as people see them who lack one
 * kind of cone.
 */

type Colour = readonly [red: number, green: number, blue: number];
type Matrix = readonly [Colour, Colour, Colour];

/** Of linear light (Machado, Oliveira and Fernandes 2009, severity 1). */
const deficiencies = {
  none: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
} as const satisfies Readonly<Record<string, Matrix>>;

export type Vision = keyof typeof deficiencies;
export const visions: readonly Vision[] = ["none", "protanopia", "deuteranopia", "tritanopia"];

/** `#rrggbb` as linear light, 0 … 1. */
function linear(hex: string): Colour {
  const of = (at: number): number => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [of(1), of(3), of(5)];
}

function product([first, second, third]: Matrix, [red, green, blue]: Colour): Colour {
  const row = ([a, b, c]: Colour): number => a * red + b * green + c * blue;
  return [row(first), row(second), row(third)];
}

const toXyz: Matrix = [
  [0.4124, 0.3576, 0.1805],
  [0.2126, 0.7152, 0.0722],
  [0.0193, 0.1192, 0.9505],
];

function lab(hex: string, vision: Vision): Colour {
  const [x, y, z] = product(
    toXyz,
    product(deficiencies[vision], linear(hex)).map((value) => Math.min(1, Math.max(0, value))) as [
      number,
      number,
      number,
    ],
  );
  const f = (value: number): number => (value > 216 / 24389 ? Math.cbrt(value) : (24389 / 27 / 116) * value + 16 / 116);
  const [a, b, c] = [f(x / 0.9505), f(y), f(z / 1.089)];
  return [116 * b - 16, 500 * (a - b), 200 * (b - c)];
}

/** ΔE: about 2 is just to be seen side by side. */
export function difference(one: string, other: string, vision: Vision): number {
  const [a, b] = [lab(one, vision), lab(other, vision)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** 1 … 21. */
export function contrast(one: string, other: string): number {
  const luminance = (hex: string): number => product(toXyz, linear(hex))[1];
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}
