import { defineConfig } from 'vitest/config'

const MINUTE = 60_000

/** One project per folder of `__test__`; `npm test -- vitest` runs all but the package's, which needs a release build. */
export default defineConfig({
  test: {
    // The addon is a native library: a process of its own for each file, as users load it.
    pool: 'forks',
    // Both are CommonJS and are loaded by Node itself, so that there is one instance of the addon.
    // Against hanging only: how long a test takes depends on what else the machine does.
    testTimeout: 2 * MINUTE,
    hookTimeout: 5 * MINUTE,
    server: { deps: { external: [/\.node$/, /\/index\.js$/] } },
    projects: [
      { extends: true, test: { name: 'unit', include: ['__test__/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'binding', include: ['__test__/binding/**/*.test.ts'] } },
      { extends: true, test: { name: 'e2e', include: ['__test__/e2e/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['__test__/types/**/*.test-d.ts'],
            tsconfig: '__test__/tsconfig.json',
          },
        },
      },
      {
        extends: true,
        test: {
          name: 'package',
          include: ['__test__/package/**/*.test.ts'],
        },
      },
    ],
  },
})
