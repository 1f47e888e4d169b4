/** Passes optional settings on. */

/** `{ [name]: value }`, or `{}` if `value` is undefined. */
export function optional<K extends string, V>(name: K, value: V | undefined): { readonly [Name in K]?: V } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Name in K]?: V };
}
