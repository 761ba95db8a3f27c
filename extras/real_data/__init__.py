"""CamVid, Cityscapes on Colab, your own pictures, and archives unpacked without trust (chapter 13)."""
