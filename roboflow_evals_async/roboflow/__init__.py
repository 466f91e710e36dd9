"""Roboflow Model Evaluations: https://docs.roboflow.com/developer/rest-api/model-evaluations"""
