/** An addon that panics when it is asked to. No other build has the functions for it. */
import { tool } from '../../scripts/lib/run.mjs'
import { NATIVE_SOURCES, toolchain } from '../../scripts/lib/setup.mjs'
import { buildOnce } from '../../scripts/lib/stamp.mjs'
import { at, hostPlatform } from '../../scripts/lib/workspace.mjs'

const OUTPUT = 'target/native/fault-injection'

/** Builds it, unless that was done, and returns its path. */
export function buildFaultyAddon(): string {
  const addon = `${OUTPUT}/coterie.${hostPlatform().name}.node`
  buildOnce('native-fault-injection', { ...NATIVE_SOURCES, also: toolchain(), outputs: [addon] }, () => {
    const from = ['--manifest-path', 'crates/node/Cargo.toml', '--package-json-path', 'package.json']
    const to = ['--target-dir', 'target', '--output-dir', OUTPUT, '--js', 'index.js', '--dts', 'index.d.ts']
    const what = ['--platform', '--no-dts-cache', '--features', 'fault-injection']
    tool('napi', ['build', ...what, ...from, ...to], { quiet: true })
  })
  return at(addon)
}
