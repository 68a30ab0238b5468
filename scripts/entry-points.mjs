/**
 * What users may import, once. To add a sub-path: add a line, then `npm run generate`.
 *
 * `npm run generate` writes the `exports` and `typesVersions` of package.json from this list; the TypeScript build makes an ES module
 * beside each CommonJS file; the package test imports and requires every one.
 */
export const entryPoints = [
  { path: '.', source: 'index' },
  { path: './mls', source: 'mls/index' },
  { path: './sframe', source: 'sframe/index' },
  { path: './compat', source: 'compat/index' },
  { path: './gbp', source: 'gbp/index' },
  { path: './gtp', source: 'gtp/index' },
  { path: './gap', source: 'gap/index' },
  { path: './gsp', source: 'gsp/index' },
]

/** The `exports` of package.json. */
export function exportsMap() {
  const entries = entryPoints.map(({ path, source }) => [
    path,
    {
      import: { types: `./dist/${source}.d.mts`, default: `./dist/${source}.mjs` },
      require: { types: `./dist/${source}.d.ts`, default: `./dist/${source}.js` },
    },
  ])
  return Object.fromEntries([...entries, ['./package.json', './package.json']])
}

/** The `typesVersions` of package.json: sub-paths for TypeScript's old resolution, which does not read `exports`. */
export function typesVersions() {
  const subPaths = entryPoints.filter(({ path }) => path !== '.')
  return {
    '*': Object.fromEntries(subPaths.map(({ path, source }) => [path.slice(2), [`./dist/${source}.d.ts`]])),
  }
}
