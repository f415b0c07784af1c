"""Options of trtexec 10.16 that the embedded runtime knows and refuses."""

NAMES = """
    adjustForDLA allocationStrategy allowGPUFallback allowWeightStreaming asyncFileReader avgTiming best bf16
    builderOptimizationLevel buildDLAStandalone calib calibProfile consistency cpuOnly decomposableAttentions
    directIO distributiveIndependence dumpLayerInfo dumpOptimizationProfile dumpOutput dumpProfile
    dumpRawBindingsToFile dumpRefit dynamicPlugins enablePluginOverride errorOnTimingCacheMiss
    excludeLeanRuntime exportLayerInfo exportOutput exportProfile exposeDMA fp8 getPlanVersionOnly
    hardwareCompatibilityLevel idleTime ignoreParsedPluginLibs inputIOFormats int4 int8 l2LimitForTiling
    layerDeviceTypes layerOutputTypes layerPrecisions leanDLLPath loadInputs markDebug
    markUnfusedTensorsAsDebugTensors maxAuxStreams maxShapesCalib maxTactics minShapesCalib monitorMemory
    noBuilderCache noCompilationCache noTF32 optShapesCalib outputIOFormats persistentCacheRatio
    pluginInstanceNorm plugins precisionConstraints preview profile profilingVerbosity refit refitFromOnnx
    remoteAutoTuningConfig reportCapabilityDLA restricted runtimePlatform safe saveAllDebugTensors
    saveDebugTensors separateProfileRun setPluginsToSerialize sleepTime sparsity staticPlugins streams
    stripAllWeights stripWeights tacticSources tempdir tempfileControls threads tilingOptimizationLevel
    timeDeserialize timeRefit uint8AsymmetricQuantizationDLA useCudaGraph useDLACore useManagedMemory
    useProfile useRuntime useSpinWait vc versionCompatible weightStreamingBudget weightless
"""

REFUSED_OPTIONS = frozenset(f"--{name}" for name in NAMES.split())
