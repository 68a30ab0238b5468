/**
 * The ES module beside each CommonJS entry point. It re-exports, so that a class is the same class whichever way it was
 * loaded. Names are listed one by one: nothing depends on how well Node guesses the exports of a CommonJS file.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import { entryPoints } from '../entry-points.mjs'
import { at } from './workspace.mjs'

export function writeEsModules() {
  const ts = createRequire(import.meta.url)('typescript')
  const declarations = entryPoints.map(({ source }) => at('dist', `${source}.d.ts`))
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(at('tsconfig.json'), (path) => readFileSync(path, 'utf8')).config,
    ts.sys,
    at(),
  )
  const program = ts.createProgram(declarations, { ...options, noEmit: true })
  const checker = program.getTypeChecker()

  for (const [index, { path, source }] of entryPoints.entries()) {
    const file = program.getSourceFile(declarations[index])
    if (!file)
      throw new Error(`scripts/entry-points.mjs names ts/${source}.ts for ${path}, which is not there`)
    const module = checker.getSymbolAtLocation(file)
    const names = (module ? checker.getExportsOfModule(module) : [])
      .filter((symbol) => isValue(ts, checker, symbol))
      .map((symbol) => symbol.name)
      .toSorted()
    const base = source.split('/').at(-1)
    const exported =
      names.length > 0
        ? `export const {\n${names.map((name) => `  ${name},\n`).join('')}} = implementation\n`
        : ''
    writeFileSync(at('dist', `${source}.mjs`), `import implementation from './${base}.js'\n${exported}`)
    writeFileSync(at('dist', `${source}.d.mts`), `export * from './${base}.js'\n`)
  }
}

/** Whether the export exists at run time. `export type { SomeClass }` does not. */
function isValue(ts, checker, symbol) {
  const typeOnly = symbol.declarations?.some((declaration) =>
    ts.isTypeOnlyImportOrExportDeclaration(declaration),
  )
  if (typeOnly) return false
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  return (target.flags & ts.SymbolFlags.Value) !== 0
}
