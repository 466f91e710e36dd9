"""RiverGen Performance Summary: https://docs.rivergen.ai/docs/ai-docs/model-studio (performance-metrics/get-summary)"""
